/* Heartbeats that hear each other while their owner makes, sets, takes from and removes them, for
   ThreadSanitizer to watch. The exit code is 1 if one that was removed is told of, or none is heard. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "heartbeat_api.h"

enum { BEATS = 8, ROUNDS = 60, PAIRS = BEATS / 2 };
static const uint64_t MS_NS = 1000000;

static int receiving[BEATS], sending[BEATS];

static void open_sockets(void)
{
    struct sockaddr_in address[BEATS];
    for (int i = 0; i < BEATS; i++) {
        socklen_t octets = sizeof address[i];
        int on = 1, hop_limit = QL_HEARTBEAT_HOP_LIMIT;
        address[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        receiving[i] = socket(AF_INET, SOCK_DGRAM, 0);
        sending[i] = socket(AF_INET, SOCK_DGRAM, 0);
        setsockopt(receiving[i], IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
        setsockopt(sending[i], IPPROTO_IP, IP_TTL, &hop_limit, sizeof hop_limit);
        if (bind(receiving[i], (struct sockaddr *)&address[i], sizeof address[i]) < 0 ||
            getsockname(receiving[i], (struct sockaddr *)&address[i], &octets) < 0)
            exit(2);
    }
    for (int i = 0; i < BEATS; i++)
        if (connect(sending[i], (struct sockaddr *)&address[i ^ 1], sizeof address[0]) < 0)
            exit(2);
}

static ql_heartbeat heartbeat(int round)
{
    ql_heartbeat set = {.packet_octets = 4, .earliest_ns = MS_NS / 4, .latest_ns = MS_NS / 2, .next_ns = 1};
    memset(set.packet, round, 4);
    set.expected_octets = 4;
    memset(set.expected, round / 2, 4);
    set.heard_ns = ql_now_ns();
    set.timeout_ns = MS_NS;
    return set;
}

int main(void)
{
    open_sockets();
    ql_heartbeats *heartbeats = ql_heartbeats_new(1, 1);
    if (heartbeats == NULL)
        return 2;
    int ids[BEATS], is_there[BEATS] = {0}, heard = 0, wrong = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BEATS; i++) {
            ql_heartbeat set = heartbeat(round);
            if (!is_there[i])
                ids[i] = ql_heartbeats_add(heartbeats, sending[i], receiving[i]);
            is_there[i] = 1;
            ql_heartbeats_set(heartbeats, (uint32_t)ids[i], &set);
        }
        int gone = round % BEATS;
        ql_heartbeats_remove(heartbeats, (uint32_t)ids[gone]);
        is_there[gone] = 0;
        struct pollfd readable = {.fd = ql_heartbeats_event_fd(heartbeats), .events = POLLIN};
        poll(&readable, 1, 5);
        ql_heartbeat_event events[PAIRS];
        for (uint32_t count; (count = ql_heartbeats_take(heartbeats, events, PAIRS)) > 0;)
            for (uint32_t i = 0; i < count; i++) {
                heard += events[i].octets > 0;
                wrong |= events[i].id == (uint32_t)ids[gone];
            }
    }
    ql_heartbeats_free(heartbeats);
    return wrong || heard == 0;
}

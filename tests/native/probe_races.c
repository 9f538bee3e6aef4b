/* A probe sender, a receiver and an owner who looks at what both have so far, for ThreadSanitizer to watch:
   once with records and once with statistics. The exit code is 1 if a record is there before it is whole. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "histogram_api.h"
#include "probe_packet.h"

enum { PACKETS = 20000, PACKETS_PER_S = 200000, OCTETS = 32 };

static ql_probe_sent sent[PACKETS];
static ql_probe_received received[PACKETS];
static ql_probe_flow flow;
static uint64_t lateness[QL_HISTOGRAM_SLOTS], latency[QL_HISTOGRAM_SLOTS];
static uint8_t packets[QL_PROBE_BATCH * OCTETS];
static ql_probe_sender_counters sender_counters;
static ql_probe_receiver_counters receiver_counters;

static void *sending(void *sender)
{
    ql_probe_send(sender);
    ql_probe_stop_at(&receiver_counters, 1);
    return NULL;
}

static void *receiving(void *receiver)
{
    ql_probe_receive(receiver);
    return NULL;
}

/* Whoever sees a packet received also sees it sent. */
static int is_whole(uint64_t number)
{
    uint32_t sequence = received[number].sequence;
    return sequence < ql_probe_count(&sender_counters.sent_count) &&
           sent[sequence].tx_ns == received[number].tx_ns && received[number].rx_ns >= received[number].tx_ns;
}

static void *looking(void *broken)
{
    for (uint64_t seen = 0; ql_probe_count(&receiver_counters.cpu_ns) == 0;) {
        for (; seen < ql_probe_count(&receiver_counters.received_count); seen++)
            if (received[seen].tx_ns != 0 && !is_whole(seen))
                *(int *)broken = 1;
        ql_probe_count(&flow.received);
        ql_probe_count(&flow.longest_gap_ns);
        ql_probe_count(&sender_counters.max_lateness_ns);
    }
    return NULL;
}

static int run(int records)
{
    int ends[2], epoll = epoll_create1(0), flow_numbers[1] = {0}, broken = 0;
    if (epoll < 0 || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) < 0)
        exit(2);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = ends[1]};
    epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event);
    memset(&sender_counters, 0, sizeof sender_counters);
    memset(&receiver_counters, 0, sizeof receiver_counters);
    ql_probe_sender sender = {.flow_count = 1,
                              .sockets = ends,
                              .flows = (const uint32_t *)flow_numbers,
                              .packets = PACKETS,
                              .packets_per_s = PACKETS_PER_S,
                              .packet_octets = OCTETS,
                              .train = 1,
                              .segments = 1,
                              .packet = packets,
                              .sent = records ? sent : NULL,
                              .lateness = lateness,
                              .counters = &sender_counters};
    ql_probe_receiver receiver = {.epoll = epoll,
                                  .packet_octets = OCTETS,
                                  .received = records ? received : NULL,
                                  .received_capacity = PACKETS,
                                  .flows = &flow,
                                  .flow_count = 1,
                                  .latency = latency,
                                  .counters = &receiver_counters};
    pthread_t threads[3];
    pthread_create(&threads[0], NULL, receiving, &receiver);
    pthread_create(&threads[1], NULL, looking, &broken);
    pthread_create(&threads[2], NULL, sending, &sender);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return broken || receiver_counters.received_count == 0;
}

int main(void)
{
    if (run(1))
        return 1;
    memset(received, 0, sizeof received); /* which `looking` then finds empty */
    return run(0);
}

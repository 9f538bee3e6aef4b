/* Fuzz target: the probe receiver, which reads datagrams that anybody may have sent. */
#include <endian.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "input.h"
#include "probe_api.h"

enum { CAPACITY = 4, MAGIC = 0x5155 };

static int sockets[2], epoll_fd;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    EXPECT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sockets) == 0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[0]};
    epoll_fd = epoll_create1(0);
    EXPECT(epoll_fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, sockets[0], &event) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, data + size};
    ql_probe_received *received = malloc(CAPACITY * sizeof *received);
    ql_probe_receiver receiver = {
        .magic = MAGIC,
        .epoll = epoll_fd,
        .packet_octets = take(&input, 1),
        .received = received,
        .received_capacity = CAPACITY,
        .stop_at_ns = 1,
    };
    uint64_t sent = 0, well_formed = 0;
    for (; sent < 8 && input.at < input.end; sent++) {
        uint32_t octets;
        uint8_t right = (uint8_t)take(&input, 1) & 1;
        uint8_t *datagram = take_octets(&input, 0, 0, &octets);
        uint64_t magic = htobe64(MAGIC);
        if (right && octets >= sizeof magic)
            memcpy(datagram, &magic, sizeof magic);
        int has_magic = octets >= sizeof magic && memcmp(datagram, &magic, sizeof magic) == 0;
        well_formed += octets == receiver.packet_octets && has_magic && octets >= QL_PROBE_HEADER_OCTETS;
        EXPECT(send(sockets[1], datagram, octets, 0) == (ssize_t)octets);
        free(datagram);
    }
    if (sent > 0)
        ql_probe_receive(&receiver);
    EXPECT(receiver.received_count + receiver.malformed + receiver.overruns == sent);
    EXPECT(receiver.received_count + receiver.overruns == well_formed ||
           receiver.packet_octets < QL_PROBE_HEADER_OCTETS);
    EXPECT(receiver.received_count <= CAPACITY && receiver.receive_errors == 0);
    free(received);
    return 0;
}

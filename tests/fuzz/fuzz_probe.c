/* Fuzz target: the probe receiver, which reads datagrams that anybody may have sent, keeping records of them
   or statistics. */
#include <sys/epoll.h>
#include <sys/socket.h>

#include "histogram_api.h"
#include "input.h"
#include "probe_packet.h"

enum { CAPACITY = 4, FLOWS = 3, WAYS = 2, DATAGRAMS = 8, MAGIC = 0x51554144 };

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

/* Sends one datagram of the input; whether it is a packet that the receiver must take. */
static int send_datagram(fuzz_input *input, const ql_probe_receiver *receiver)
{
    uint32_t octets;
    int right = (uint8_t)take(input, 1) & 1;
    uint8_t *datagram = take_octets(input, 0, 0, &octets);
    if (right && octets >= QL_PROBE_HEADER_OCTETS) {
        ql_probe_header header = ql_probe_header_read(datagram);
        header.magic = MAGIC;
        header.flow %= FLOWS + 1;
        ql_probe_header_write(datagram, &header);
    }
    int well_formed = octets == receiver->packet_octets && octets >= QL_PROBE_HEADER_OCTETS;
    if (well_formed) {
        ql_probe_header header = ql_probe_header_read(datagram);
        well_formed = header.magic == MAGIC && (receiver->received != NULL || header.flow < FLOWS);
    }
    EXPECT(send(sockets[1], datagram, octets, 0) == (ssize_t)octets);
    free(datagram);
    return well_formed;
}

static uint64_t arrivals(const ql_probe_flow *flows)
{
    uint64_t sum = 0;
    for (int i = 0; i < FLOWS; i++) {
        const ql_probe_flow *flow = &flows[i];
        EXPECT(flow->reordered <= flow->received && flow->received <= flow->next_sequence);
        EXPECT(flow->extent_max <= flow->extent_sum && flow->reordered <= flow->extent_sum);
        sum += flow->received + flow->duplicates + flow->too_late;
    }
    return sum;
}

static uint64_t in_histograms(const uint64_t *latency)
{
    uint64_t sum = 0;
    for (int i = 0; i < WAYS * QL_HISTOGRAM_SLOTS; i++)
        sum += latency[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, data + size};
    uint8_t bits = (uint8_t)take(&input, 1);
    int keeps_records = bits & 1;
    ql_probe_received *received = malloc(CAPACITY * sizeof *received);
    ql_probe_flow *flows = calloc(FLOWS, sizeof *flows);
    uint64_t *latency = calloc(WAYS * QL_HISTOGRAM_SLOTS, sizeof *latency);
    ql_probe_receiver_counters counters = {.stop_at_ns = 1};
    ql_probe_receiver receiver = {
        .magic = MAGIC,
        .epoll = epoll_fd,
        .packet_octets = QL_PROBE_HEADER_OCTETS + take(&input, 1) % 8 - 1,
        .spin = bits >> 1 & 1,
        .super = bits >> 2 & 1,
        .kernel_time = bits >> 3 & 1,
        .received = keeps_records ? received : NULL,
        .received_capacity = CAPACITY,
        .flows = flows,
        .flow_count = FLOWS,
        .latency = latency,
        .counters = &counters,
    };
    flows[1].way = 1;
    uint64_t sent = 0, well_formed = 0;
    for (; sent < DATAGRAMS && input.at < input.end; sent++)
        well_formed += send_datagram(&input, &receiver);
    ql_probe_receive(&receiver);
    EXPECT(counters.received_count + counters.overruns == well_formed);
    EXPECT(counters.malformed == sent - well_formed && counters.receive_errors == 0);
    EXPECT(!keeps_records || counters.received_count <= CAPACITY);
    EXPECT(keeps_records || arrivals(flows) == counters.received_count);
    uint64_t first_copies = flows[0].received + flows[1].received + flows[2].received;
    EXPECT(in_histograms(latency) == first_copies);
    free(received);
    free(flows);
    free(latency);
    return 0;
}

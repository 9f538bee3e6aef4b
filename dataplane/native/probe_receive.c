/* Native probe receiver: reads what arrives at many UDP sockets, and records it or keeps statistics of it. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "histogram.h"
#include "probe_clock.h"
#include "probe_packet.h"

#ifndef UDP_GRO /* of linux/udp.h, which does not go together with netinet/udp.h */
#define UDP_GRO 104
#endif

enum {
    STOP_CHECK_MS = QL_STOP_CHECK_NS / 1000000,
    READY_SOCKETS = 64,
    SUPER_DATAGRAMS = 8,
    CLOCK_LOOKS = 8,
    CLOSE_NS = 500
};
#define DRAIN_NS QL_NS_PER_S /* somebody who sends on and on does not keep the receiver from its end */

/* Of a datagram only the header is copied: MSG_TRUNC still tells the true length, and the kernel checks the
   UDP checksum over the whole datagram before a partial copy. A super-datagram is copied whole. */
typedef struct {
    uint32_t count;
    struct mmsghdr messages[QL_PROBE_BATCH];
    struct iovec vectors[QL_PROBE_BATCH];
    _Alignas(struct cmsghdr) uint8_t control[QL_PROBE_BATCH][64];
    union {
        uint8_t headers[QL_PROBE_BATCH][QL_PROBE_HEADER_OCTETS];
        uint8_t super[SUPER_DATAGRAMS][QL_PROBE_SUPER_OCTETS];
    };
} datagrams;

/* What the kernel says beside a datagram. */
typedef struct {
    uint64_t segment_octets; /* of a super-datagram, else its length */
    uint64_t real_ns;        /* CLOCK_REALTIME, or 0 */
} remarks;

static void prepare(datagrams *batch, const ql_probe_receiver *receiver)
{
    batch->count = receiver->super ? SUPER_DATAGRAMS : QL_PROBE_BATCH;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (receiver->super)
            batch->vectors[i] = (struct iovec){batch->super[i], sizeof batch->super[i]};
        else
            batch->vectors[i] = (struct iovec){batch->headers[i], sizeof batch->headers[i]};
        batch->messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &batch->vectors[i], .msg_iovlen = 1}};
    }
}

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * QL_NS_PER_S + (uint64_t)time->tv_nsec;
}

/* Packets are stamped by CLOCK_REALTIME, and what is kept is CLOCK_MONOTONIC. Whoever is interrupted between
   the two reads looks again. */
static uint64_t real_minus_monotonic_ns(void)
{
    uint64_t closest_ns = UINT64_MAX, ahead_ns = 0;
    for (int look = 0; look < CLOCK_LOOKS && closest_ns > CLOSE_NS; look++) {
        struct timespec real;
        uint64_t before_ns = ql_now_ns();
        clock_gettime(CLOCK_REALTIME, &real);
        uint64_t between_ns = ql_now_ns() - before_ns;
        if (between_ns < closest_ns) {
            closest_ns = between_ns;
            ahead_ns = ns_of(&real) - (before_ns + between_ns / 2);
        }
    }
    return ahead_ns;
}

static remarks read_remarks(struct msghdr *message, uint64_t octets)
{
    remarks found = {octets, 0};
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == SOL_UDP && part->cmsg_type == UDP_GRO) {
            int segment_octets;
            memcpy(&segment_octets, CMSG_DATA(part), sizeof segment_octets);
            if (segment_octets > 0)
                found.segment_octets = (uint64_t)segment_octets;
        } else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec at;
            memcpy(&at, CMSG_DATA(part), sizeof at);
            found.real_ns = ns_of(&at);
        }
    }
    return found;
}

static void keep_record(ql_probe_receiver *receiver, const ql_probe_header *header, uint64_t rx_ns)
{
    uint64_t count = receiver->counters->received_count;
    if (count == receiver->received_capacity) {
        ql_add(&receiver->counters->overruns, 1);
        return;
    }
    receiver->received[count] =
        (ql_probe_received){header->flow, header->sequence, (int64_t)header->tx_ns, (int64_t)rx_ns};
    ql_add(&receiver->counters->received_count, 1);
}

static void keep_statistics(ql_probe_receiver *receiver, const ql_probe_header *header, uint64_t rx_ns)
{
    ql_probe_flow *flow = &receiver->flows[header->flow];
    uint64_t latency_ns = rx_ns > header->tx_ns ? rx_ns - header->tx_ns : 0;
    if (ql_probe_arrival(flow, header->sequence, rx_ns))
        ql_histogram_count(receiver->latency + flow->way * QL_HISTOGRAM_SLOTS, latency_ns);
    ql_add(&receiver->counters->received_count, 1);
}

void ql_probe_take(ql_probe_receiver *receiver, const uint8_t *packet, uint64_t octets, uint64_t rx_ns)
{
    ql_probe_header header = {0};
    int well_formed = octets == receiver->packet_octets && octets >= QL_PROBE_HEADER_OCTETS;
    if (well_formed) {
        header = ql_probe_header_read(packet);
        well_formed = header.magic == receiver->magic &&
                      (receiver->received != NULL || header.flow < receiver->flow_count);
    }
    if (!well_formed)
        ql_add(&receiver->counters->malformed, 1);
    else if (receiver->received != NULL)
        keep_record(receiver, &header, rx_ns);
    else
        keep_statistics(receiver, &header, rx_ns);
}

static void take_datagram(ql_probe_receiver *receiver, struct mmsghdr *message, uint64_t read_ns,
                          uint64_t ahead_ns)
{
    const uint8_t *data = message->msg_hdr.msg_iov->iov_base;
    uint64_t octets = message->msg_len, rx_ns = read_ns;
    remarks found = {octets, 0};
    if (message->msg_hdr.msg_control != NULL)
        found = read_remarks(&message->msg_hdr, octets);
    if (found.real_ns != 0)
        rx_ns = found.real_ns - ahead_ns;
    if (found.segment_octets >= octets) { /* an empty one, too, is a packet that came */
        ql_probe_take(receiver, data, octets, rx_ns);
        return;
    }
    uint64_t end = octets < QL_PROBE_SUPER_OCTETS ? octets : QL_PROBE_SUPER_OCTETS;
    for (uint64_t at = 0; at < end; at += found.segment_octets) {
        uint64_t left = end - at;
        ql_probe_take(receiver, data + at, left < found.segment_octets ? left : found.segment_octets, rx_ns);
    }
}

static void read_socket(ql_probe_receiver *receiver, int descriptor, datagrams *batch)
{
    for (uint32_t i = 0; i < batch->count && (receiver->super || receiver->kernel_time); i++) {
        batch->messages[i].msg_hdr.msg_control = batch->control[i];
        batch->messages[i].msg_hdr.msg_controllen = sizeof batch->control[i];
    }
    int count = recvmmsg(descriptor, batch->messages, batch->count, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        ql_add(&receiver->counters->receive_errors, 1);
    uint64_t read_ns = ql_now_ns();
    uint64_t ahead_ns = receiver->kernel_time ? real_minus_monotonic_ns() : 0;
    for (int i = 0; i < count; i++)
        take_datagram(receiver, &batch->messages[i], read_ns, ahead_ns);
}

/* Whether the time has come and nothing is left to read. */
static int is_over(const ql_probe_receiver *receiver, int ready)
{
    uint64_t stop_at_ns = ql_load(&receiver->counters->stop_at_ns);
    if (stop_at_ns == 0)
        return 0;
    uint64_t now_ns = ql_now_ns();
    return now_ns >= stop_at_ns && (ready == 0 || now_ns >= stop_at_ns + DRAIN_NS);
}

void ql_probe_receive(ql_probe_receiver *receiver)
{
    struct epoll_event ready[READY_SOCKETS];
    datagrams batch;
    prepare(&batch, receiver);
    uint64_t before_ns = ql_cpu_ns();
    int count;
    do {
        count = epoll_wait(receiver->epoll, ready, READY_SOCKETS, receiver->spin ? 0 : STOP_CHECK_MS);
        if (count < 0 && errno != EINTR) {
            ql_add(&receiver->counters->receive_errors, 1);
            break;
        }
        for (int i = 0; i < count; i++)
            read_socket(receiver, ready[i].data.fd, &batch);
    } while (!is_over(receiver, count));
    ql_store(&receiver->counters->cpu_ns, ql_cpu_ns() - before_ns);
}

void ql_probe_stop_at(ql_probe_receiver_counters *counters, uint64_t time_ns)
{
    ql_store(&counters->stop_at_ns, time_ns);
}

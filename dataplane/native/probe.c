/* Native probe sender and receiver: an open-loop schedule over many UDP sockets, and the log of what arrives.
 */

#include "probe_api.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define NS_PER_S 1000000000ull
#define STOP_CHECK_NS 20000000ull /* longest wait between two looks at the stop request */
#define STOP_CHECK_MS 20
#define READY_SOCKETS 64
#define DATAGRAMS_PER_CALL 64

typedef struct {
    uint64_t magic;
    uint32_t flow;
    uint32_t sequence;
    uint64_t tx_ns;
} probe_header;

_Static_assert(sizeof(probe_header) == QL_PROBE_HEADER_OCTETS, "the header has no padding");

static uint64_t load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void store(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELEASE);
}

/* Each counter has one writer, so a load and a store are enough and no locked instruction is needed. */
static void add_one(uint64_t *counter)
{
    store(counter, load(counter) + 1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t time_ns)
{
    struct timespec until = {.tv_sec = (time_t)(time_ns / NS_PER_S), .tv_nsec = (long)(time_ns % NS_PER_S)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* Wait for the deadline, in slices short enough to notice a stop. Returns the time, 0 when stopped. */
static uint64_t wait_for(const ql_probe_sender *sender, uint64_t deadline_ns)
{
    while (!load(&sender->stop)) {
        uint64_t now = now_ns();
        if (now >= deadline_ns)
            return now;
        sleep_until(deadline_ns - now > STOP_CHECK_NS ? now + STOP_CHECK_NS : deadline_ns);
    }
    return 0;
}

static void send_one(ql_probe_sender *sender, uint64_t number, uint64_t tx_ns)
{
    uint32_t turn = (uint32_t)(number % sender->flow_count);
    uint32_t flow = sender->flows[turn];
    uint32_t sequence = (uint32_t)(number / sender->flow_count);
    probe_header header = {htobe64(sender->magic), htobe32(flow), htobe32(sequence), htobe64(tx_ns)};
    memcpy(sender->packet, &header, sizeof header);

    /* Recorded before it leaves: whoever sees it received also sees it sent. */
    sender->sent[number] = (ql_probe_sent){flow, sequence, (int64_t)tx_ns};
    store(&sender->sent_count, number + 1);
    if (send(sender->sockets[turn], sender->packet, sender->packet_octets, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        add_one(&sender->send_errors[errno < QL_PROBE_ERRNO_COUNT ? errno : 0]);
}

void ql_probe_send(ql_probe_sender *sender)
{
    /* The default slack of 50 us would move every send by that much. */
    prctl(PR_SET_TIMERSLACK, 1ul);
    uint64_t start_ns = now_ns();
    for (uint64_t number = 0; number < sender->sent_capacity; number++) {
        uint64_t deadline_ns = start_ns + number * NS_PER_S / sender->packets_per_s;
        uint64_t tx_ns = wait_for(sender, deadline_ns);
        if (tx_ns == 0)
            return;
        if (tx_ns - deadline_ns > sender->max_lateness_ns)
            store(&sender->max_lateness_ns, tx_ns - deadline_ns);
        send_one(sender, number, tx_ns);
    }
}

static void record(ql_probe_receiver *receiver, const probe_header *header, uint64_t octets, uint64_t rx_ns)
{
    if (octets != receiver->packet_octets || be64toh(header->magic) != receiver->magic) {
        add_one(&receiver->malformed);
    } else if (receiver->received_count == receiver->received_capacity) {
        add_one(&receiver->overruns);
    } else {
        receiver->received[receiver->received_count] =
            (ql_probe_received){be32toh(header->flow), be32toh(header->sequence),
                                (int64_t)be64toh(header->tx_ns), (int64_t)rx_ns};
        add_one(&receiver->received_count);
    }
}

/* Only headers are copied: MSG_TRUNC still tells the true length, and the kernel checks the UDP checksum over
   the whole datagram before a partial copy. */
typedef struct {
    probe_header headers[DATAGRAMS_PER_CALL];
    struct iovec vectors[DATAGRAMS_PER_CALL];
    struct mmsghdr messages[DATAGRAMS_PER_CALL];
} datagram_batch;

static void prepare(datagram_batch *batch)
{
    memset(batch, 0, sizeof *batch);
    for (int i = 0; i < DATAGRAMS_PER_CALL; i++) {
        batch->vectors[i] = (struct iovec){&batch->headers[i], sizeof batch->headers[i]};
        batch->messages[i].msg_hdr.msg_iov = &batch->vectors[i];
        batch->messages[i].msg_hdr.msg_iovlen = 1;
    }
}

static void read_socket(ql_probe_receiver *receiver, int descriptor, datagram_batch *batch)
{
    int count = recvmmsg(descriptor, batch->messages, DATAGRAMS_PER_CALL, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        add_one(&receiver->receive_errors);
    uint64_t rx_ns = now_ns();
    for (int i = 0; i < count; i++)
        record(receiver, &batch->headers[i], batch->messages[i].msg_len, rx_ns);
}

void ql_probe_receive(ql_probe_receiver *receiver)
{
    struct epoll_event ready[READY_SOCKETS];
    datagram_batch batch;
    prepare(&batch);
    for (;;) {
        int count = epoll_wait(receiver->epoll, ready, READY_SOCKETS, STOP_CHECK_MS);
        if (count < 0 && errno != EINTR) {
            add_one(&receiver->receive_errors);
            return;
        }
        for (int i = 0; i < count; i++)
            read_socket(receiver, ready[i].data.fd, &batch);
        uint64_t stop_at_ns = load(&receiver->stop_at_ns);
        if (stop_at_ns != 0 && now_ns() >= stop_at_ns)
            return;
    }
}

void ql_probe_stop(ql_probe_sender *sender)
{
    store(&sender->stop, 1);
}

void ql_probe_stop_at(ql_probe_receiver *receiver, uint64_t time_ns)
{
    store(&receiver->stop_at_ns, time_ns);
}

uint64_t ql_probe_count(const uint64_t *counter)
{
    return load(counter);
}

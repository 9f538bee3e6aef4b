#pragma once
#include <stdint.h>

/* Probe sender and receiver: numbered, stamped UDP datagrams of many flows. Each function blocks the thread
   it is called in until its end; arrays, sockets and the epoll set belong to the caller. All times are
   CLOCK_MONOTONIC in nanoseconds. Members in the second half of a struct are written by the running function
   and may be read meanwhile through ql_probe_count. */

enum {
    QL_PROBE_HEADER_OCTETS = 24, /* magic 8, flow 4, sequence 4, tx_ns 8, in network byte order */
    QL_PROBE_ERRNO_COUNT = 134   /* Linux error numbers end at 133 */
};

typedef struct {
    uint32_t flow;
    uint32_t sequence;
    int64_t tx_ns;
} ql_probe_sent;

typedef struct {
    uint32_t flow;
    uint32_t sequence;
    int64_t tx_ns;
    int64_t rx_ns;
} ql_probe_received;

typedef struct {
    uint64_t magic;
    uint64_t packets_per_s; /* of all flows together */
    uint32_t flow_count;
    const int *sockets;    /* connected, one for each flow */
    const uint32_t *flows; /* the flow number that goes with each socket */
    uint8_t *packet;       /* packet_octets of padding; the header is written over its start */
    uint64_t packet_octets;
    ql_probe_sent *sent;
    uint64_t sent_capacity; /* the sender ends when this many are sent */

    uint64_t stop; /* set by ql_probe_stop */
    uint64_t sent_count;
    uint64_t max_lateness_ns;                   /* furthest any send was behind its deadline */
    uint64_t send_errors[QL_PROBE_ERRNO_COUNT]; /* sends refused, by errno; each is in `sent` too */
} ql_probe_sender;

typedef struct {
    uint64_t magic;
    int epoll; /* holds the receiving sockets, level-triggered, data = descriptor */
    uint64_t packet_octets;
    ql_probe_received *received;
    uint64_t received_capacity;

    uint64_t stop_at_ns; /* 0: run on; set by ql_probe_stop_at */
    uint64_t received_count;
    uint64_t malformed; /* wrong length or magic */
    uint64_t overruns;  /* well formed, but no room left in `received` */
    uint64_t receive_errors;
} ql_probe_receiver;

void ql_probe_send(ql_probe_sender *sender);
void ql_probe_receive(ql_probe_receiver *receiver);

/* Ask a running function to end, from any thread: it does within 20 ms of being asked (sender) or of the
   given time (receiver), which reads on until then so that what is under way is still counted. */
void ql_probe_stop(ql_probe_sender *sender);
void ql_probe_stop_at(ql_probe_receiver *receiver, uint64_t time_ns);

/* The value of a counter of a running function; the records it counts are complete. */
uint64_t ql_probe_count(const uint64_t *counter);

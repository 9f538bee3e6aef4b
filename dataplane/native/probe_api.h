#pragma once
#include <stdint.h>

/* Probe sender and receiver: numbered, stamped UDP datagrams of many flows. Each function blocks the thread
   it is called in until its end; arrays, sockets and the epoll set belong to the caller. All times are
   CLOCK_MONOTONIC in nanoseconds. */

enum {
    /* Magic 4, flow 2, sequence 4, tx_ns 8, in network byte order: what a frame of 60 octets has room for. */
    QL_PROBE_HEADER_OCTETS = 18,
    QL_PROBE_BATCH = 64,        /* packets that one call to the kernel takes or gives at most */
    QL_PROBE_WINDOW = 1024,     /* so many sequence numbers of a flow are told from duplicates */
    QL_PROBE_ERRNO_COUNT = 134, /* Linux error numbers end at 133 */
    QL_PROBE_SUPER_OCTETS = 65535
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

/* What arrived of one flow, in constant memory. */
typedef struct {
    uint64_t way;        /* set by the caller: the histogram that the flow counts in */
    uint64_t received;   /* first copies */
    uint64_t duplicates; /* further copies */
    uint64_t reordered;  /* first copies after one of a higher sequence (RFC 4737, 3.3) */
    uint64_t extent_sum; /* of the reordered: how many arrivals earlier the first of these was (4.2.2) */
    uint64_t extent_max;
    uint64_t too_late; /* QL_PROBE_WINDOW sequence numbers or more behind: a first copy or not, who knows */
    uint64_t first_rx_ns;
    uint64_t last_rx_ns;
    uint64_t longest_gap_ns; /* between two arrivals in succession */
    uint64_t next_sequence;  /* one above the highest that arrived */
    /* By sequence modulo the window: 0 where it arrived, else which arrival first passed it over. */
    uint32_t passed_over_by[QL_PROBE_WINDOW];
} ql_probe_flow;

/* Counters are written by the running function and may be read meanwhile through ql_probe_count. */
typedef struct {
    uint64_t stop; /* set by ql_probe_stop */
    uint64_t sent_count;
    uint64_t begin_ns;                          /* the deadline of the first packet */
    uint64_t last_tx_ns;                        /* when the latest was sent */
    uint64_t max_lateness_ns;                   /* furthest any send was behind its deadline */
    uint64_t cpu_ns;                            /* what the whole run took of a core, once it has ended */
    uint64_t send_errors[QL_PROBE_ERRNO_COUNT]; /* packets refused, by errno; each counts as sent, too */
} ql_probe_sender_counters;

typedef struct {
    uint32_t magic;
    uint32_t flow_count;
    const int *sockets;     /* connected, one for each flow */
    const uint32_t *flows;  /* the flow number that goes with each socket */
    uint64_t packets;       /* the sender ends when this many are sent */
    uint64_t packets_per_s; /* of all flows together */
    uint64_t packet_octets;
    uint64_t train; /* packets of a flow that leave together when the first is due, at most QL_PROBE_BATCH */
    uint64_t segments;   /* packets in a datagram that the kernel cuts (UDP_SEGMENT); train, or 1 */
    int spin;            /* between deadlines; else asleep */
    uint8_t *packet;     /* room for QL_PROBE_BATCH packets of padding; headers are written over it */
    ql_probe_sent *sent; /* a record for each of `packets`; NULL: none are kept */
    uint64_t *lateness;  /* histogram of how far trains were behind their deadlines */
    ql_probe_sender_counters *counters;
} ql_probe_sender;

typedef struct {
    uint64_t stop_at_ns;     /* 0: run on; set by ql_probe_stop_at */
    uint64_t received_count; /* well-formed packets */
    uint64_t malformed;      /* wrong length, magic or flow */
    uint64_t overruns;       /* well formed, but no room left in `received` */
    uint64_t cpu_ns;         /* what the whole run took of a core, once it has ended */
    uint64_t receive_errors;
} ql_probe_receiver_counters;

typedef struct {
    uint32_t magic;
    int epoll; /* holds the receiving sockets, level-triggered, data = descriptor */
    uint64_t packet_octets;
    int spin;        /* looks at the sockets again and again; else asleep until there is something */
    int super;       /* sockets have UDP_GRO: a datagram may be several packets */
    int kernel_time; /* sockets have SO_TIMESTAMPNS: rx_ns is when the packet came to the network stack */
    ql_probe_received *received; /* NULL: none are kept, and all of the following are there */
    uint64_t received_capacity;
    ql_probe_flow *flows; /* by flow number */
    uint64_t flow_count;
    uint64_t *latency; /* a histogram of rx_ns - tx_ns for each way, of first copies */
    ql_probe_receiver_counters *counters;
} ql_probe_receiver;

void ql_probe_send(ql_probe_sender *sender);
void ql_probe_receive(ql_probe_receiver *receiver);

/* One arrival of a flow; whether it is a first copy. */
int ql_probe_arrival(ql_probe_flow *flow, uint32_t sequence, uint64_t rx_ns);

/* Ask a running function to end, from any thread or process: it does within 20 ms of being asked (sender) or
   of the given time (receiver), which reads on until then, and until there is nothing more to read, so that
   what is under way is still counted. */
void ql_probe_stop(ql_probe_sender_counters *counters);
void ql_probe_stop_at(ql_probe_receiver_counters *counters, uint64_t time_ns);

/* The value of a counter of a running function; the records it counts are complete. */
uint64_t ql_probe_count(const uint64_t *counter);

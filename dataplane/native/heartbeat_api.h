#pragma once
#include <stdint.h>

/* Heartbeats: one thread sends a packet again and again on each of many sockets and watches that what comes
   back keeps coming. What packets say is the owner's to know, who hears only of those that are not octet for
   octet the one it expects, and of silence. All times are CLOCK_MONOTONIC in nanoseconds. */

enum {
    QL_HEARTBEAT_OCTETS = 64,    /* of a packet that is sent or expected; of longer ones these are told */
    QL_HEARTBEAT_PENDING = 8,    /* of each heartbeat, what an owner may leave untaken; the oldest is lost */
    QL_HEARTBEAT_HOP_LIMIT = 255 /* of packets from next door (RFC 5082); those with another one are lost */
};

typedef struct ql_heartbeats ql_heartbeats;

typedef struct {
    uint8_t packet[QL_HEARTBEAT_OCTETS];
    uint32_t packet_octets;
    uint64_t earliest_ns; /* the time from one packet to the next is drawn from these bounds */
    uint64_t latest_ns;   /* 0: none is sent */
    uint64_t next_ns;     /* when the next is due; the same as was set before: the schedule goes on */
    uint8_t expected[QL_HEARTBEAT_OCTETS];
    uint32_t expected_octets; /* 0: every packet is told of */
    uint64_t heard_ns;        /* when that was heard last; what the thread has heard since counts, too */
    uint64_t timeout_ns;      /* silence of that length is told of, once; 0: none is */
} ql_heartbeat;

typedef struct {
    uint32_t id;
    uint32_t octets; /* of the packet that came; 0: silence */
    uint64_t t_ns;
    uint64_t heard_ns; /* when the expected packet was heard last */
    uint8_t source[16];
    uint32_t source_octets; /* 4 or 16 */
    uint8_t packet[QL_HEARTBEAT_OCTETS];
} ql_heartbeat_event;

/* Starts the thread, under SCHED_FIFO at that priority where it is allowed, else as other threads run; NULL
   with errno. */
ql_heartbeats *ql_heartbeats_new(uint64_t seed, int priority);

/* Ends it; no socket is closed. */
void ql_heartbeats_free(ql_heartbeats *heartbeats);

/* Readable while there are events. */
int ql_heartbeats_event_fd(const ql_heartbeats *heartbeats);

/* A heartbeat that sends and expects nothing yet, on a connected socket and on one that tells the hop limit
   of what comes; both stay open until it is removed. Its id, or -1 with errno. */
int ql_heartbeats_add(ql_heartbeats *heartbeats, int sending_socket, int receiving_socket);

void ql_heartbeats_set(ql_heartbeats *heartbeats, uint32_t id, const ql_heartbeat *heartbeat);

/* Removes it, and what was not taken of its events. */
void ql_heartbeats_remove(ql_heartbeats *heartbeats, uint32_t id);

/* Moves events out, of each heartbeat in order of time; returns how many. What came several times is told
   once, when it came last. */
uint32_t ql_heartbeats_take(ql_heartbeats *heartbeats, ql_heartbeat_event *events, uint32_t room);

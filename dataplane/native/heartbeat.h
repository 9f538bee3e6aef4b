/* One heartbeat: when it sends, when it is silence, and what it makes of a packet. Time is an argument. */
#pragma once
#include "heartbeat_api.h"

typedef struct {
    int sending_socket;
    int receiving_socket;
    ql_heartbeat set;
    uint64_t send_ns;    /* UINT64_MAX: never */
    uint64_t silence_ns; /* UINT64_MAX: never, or told */
    uint32_t pending_count;
    ql_heartbeat_event pending[QL_HEARTBEAT_PENDING];
} ql_beat;

static inline uint64_t ql_beat_due_ns(const ql_beat *beat)
{
    return beat->send_ns < beat->silence_ns ? beat->send_ns : beat->silence_ns;
}

/* Goes by what is set from now on. */
void ql_beat_set(ql_beat *beat, const ql_heartbeat *heartbeat);

/* A packet was sent at now_ns; the next is due at a time for which `chance` is the draw. */
void ql_beat_sent(ql_beat *beat, uint64_t now_ns, uint64_t chance);

/* A packet came; whether the owner must know of it. */
int ql_beat_hear(ql_beat *beat, const uint8_t *packet, uint32_t octets, uint64_t now_ns);

/* Whether it is time to tell of silence. */
int ql_beat_is_silent(ql_beat *beat, uint64_t now_ns);

/* Keeps an event for the owner, the last copy only of what comes several times. */
void ql_beat_tell(ql_beat *beat, const ql_heartbeat_event *event);

/* Nobody looked for so long: that time is no silence. */
void ql_beat_forgive(ql_beat *beat, uint64_t late_ns);

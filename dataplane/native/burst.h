/* A burst: the frames that a worker carries at once, in slots of one arena. */
#pragma once
#include "secy_api.h"

enum { QL_BURST = 64, QL_HEADROOM = 32, QL_TAILROOM = 32 };

/* Slots are `stride` octets apart. A frame put into one begins QL_HEADROOM behind the slot's start and leaves
   QL_TAILROOM at its end, for the SecTAG and the ICV. */
typedef struct {
    uint8_t *arena;
    uint64_t stride;
    uint32_t count; /* frames in the first slots */
    uint32_t offset[QL_BURST];
    uint32_t length[QL_BURST];
    uint8_t verdict[QL_BURST];
} ql_burst;

/* Makes the slots hold frames of frame_octets, and one octet more, which tells a longer frame from one that
   just fits; -1 where memory is short. The burst's frames are lost then. */
int ql_burst_reserve(ql_burst *burst, uint32_t frame_octets);

/* The longest frame that a slot holds. */
static inline uint32_t ql_burst_room(const ql_burst *burst)
{
    return (uint32_t)burst->stride - QL_HEADROOM - QL_TAILROOM;
}

static inline uint8_t *ql_burst_frame(const ql_burst *burst, uint32_t i)
{
    return burst->arena + burst->offset[i];
}

/* Where the next frame goes; ql_burst_push then makes it one of the burst's. */
static inline uint8_t *ql_burst_slot(const ql_burst *burst)
{
    return burst->arena + burst->stride * burst->count + QL_HEADROOM;
}

static inline void ql_burst_push(ql_burst *burst, uint32_t length)
{
    burst->offset[burst->count] = (uint32_t)(burst->stride * burst->count) + QL_HEADROOM;
    burst->length[burst->count] = length;
    burst->count++;
}

/* Moves frame i to place `kept`, before it: so a loop closes the gaps of the frames that it drops. */
static inline void ql_burst_keep(ql_burst *burst, uint32_t i, uint32_t kept)
{
    burst->offset[kept] = burst->offset[i];
    burst->length[kept] = burst->length[i];
}

static inline ql_batch ql_burst_batch(ql_burst *burst)
{
    return (ql_batch){
        .arena = burst->arena,
        .arena_size = burst->stride * QL_BURST,
        .count = burst->count,
        .offset = burst->offset,
        .length = burst->length,
        .verdict = burst->verdict,
    };
}

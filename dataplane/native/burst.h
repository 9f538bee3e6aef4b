/* A burst: the frames that a worker carries at once, in slots of one arena. */
#pragma once
#include "burst_api.h"
#include "secy_api.h"

/* The longest frame that a slot holds. */
static inline uint32_t ql_burst_room(const ql_burst *burst)
{
    return (uint32_t)burst->stride - QL_HEADROOM - QL_TAILROOM;
}

static inline uint8_t *ql_burst_frame(const ql_burst *burst, uint32_t i)
{
    return burst->arena + burst->offset[i];
}

/* Inverts one bit, counted from the first of the destination address. */
static inline void ql_burst_flip_bit(ql_burst *burst, uint32_t i, uint32_t bit)
{
    ql_burst_frame(burst, i)[bit / 8] ^= (uint8_t)(0x80u >> (bit % 8));
}

/* Where a frame in slot i begins. */
static inline uint32_t ql_burst_offset(const ql_burst *burst, uint32_t i)
{
    return (uint32_t)(burst->stride * i) + QL_HEADROOM;
}

/* Where the next frame goes; ql_burst_push then makes it one of the burst's. */
static inline uint8_t *ql_burst_slot(const ql_burst *burst)
{
    return burst->arena + ql_burst_offset(burst, burst->count);
}

static inline void ql_burst_push(ql_burst *burst, uint32_t length)
{
    burst->offset[burst->count] = ql_burst_offset(burst, burst->count);
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

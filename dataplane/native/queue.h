/* Frames that wait on a wire, in order of when they leave. Time is an argument. */
#pragma once
#include "burst.h"

/* A frame may be held back so that others overtake it: until so many later ones have left, or HOLD_NS passed.
 */
#define QL_QUEUE_HOLD_NS 10000000u

enum {
    QL_QUEUE_HELD = 64,     /* held back at once; others stay in order */
    QL_QUEUE_BLOCKS = 1024, /* what a queue takes at most, 256 MiB */
    QL_BLOCK_OCTETS = 256 * 1024,
    QL_SPARE_BLOCKS = 64
};

/* Frames lie in blocks one behind the other, so a queue of any depth is written and read in sequence. Blocks
   that are empty wait in the pool of the worker, at most QL_SPARE_BLOCKS of them. */
typedef struct ql_block ql_block;
typedef struct {
    ql_block *spare;
    uint32_t spares;
} ql_block_pool;

typedef struct ql_record ql_record;
typedef struct {
    ql_record *record;
    ql_block *block;
    uint64_t turn; /* leaves when that many have left in order */
    uint64_t since;
    uint64_t deadline_ns;
} ql_held;

typedef struct {
    ql_block_pool *pool;
    ql_block *first, *last;
    uint32_t blocks;
    uint64_t frames, octets; /* that wait */
    uint64_t left;           /* frames that left in order, */
    uint64_t left_ns;        /* and when the last of them was due */
    uint64_t overtaken;      /* frames that left after a later one */
    uint32_t held_count;
    ql_held held[QL_QUEUE_HELD];
} ql_queue;

void ql_block_pool_clear(ql_block_pool *pool);

/* An empty queue; the pool must outlive it and belongs to the same thread. */
void ql_queue_init(ql_queue *queue, ql_block_pool *pool);

/* Puts a copy of the frame behind the others; leave_ns is not before theirs. So many later frames are to
   overtake it. -1 where memory is short or the queue has its QL_QUEUE_BLOCKS. */
int ql_queue_push(ql_queue *queue, const uint8_t *frame, uint32_t octets, uint64_t leave_ns,
                  uint32_t overtakers);

/* When the next frame is due; UINT64_MAX where none waits. */
uint64_t ql_queue_next_ns(const ql_queue *queue);

/* Pushes copies of the frames that are due onto the burst, until that is full; or half full, where the next
   was not due together with the one before, so that what entered together, as the frames of a super-frame do,
   is likely to leave together. The burst's slots must hold any frame that was put into the queue. */
void ql_queue_pop(ql_queue *queue, uint64_t now_ns, ql_burst *burst);

/* Forgets all frames; returns how many. */
uint64_t ql_queue_clear(ql_queue *queue);

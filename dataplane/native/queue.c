/* A queue of frames in blocks of memory that are written and read in sequence. */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE_OCTETS = 64 };

struct ql_record {
    uint64_t leave_ns;
    uint32_t octets;
    uint32_t overtakers;
    uint8_t frame[];
};

struct ql_block {
    ql_block *next;
    uint32_t written, read; /* octets of `room` */
    uint32_t waiting;       /* records that have not left */
    uint8_t room[QL_BLOCK_OCTETS] __attribute__((aligned(CACHE_LINE_OCTETS)));
};

static uint32_t record_octets(uint32_t frame_octets)
{
    return (uint32_t)(sizeof(ql_record) + frame_octets + 15) & ~15u;
}

static ql_block *take_block(ql_queue *queue)
{
    ql_block_pool *pool = queue->pool;
    ql_block *block = pool->spare;
    if (queue->blocks == QL_QUEUE_BLOCKS)
        return NULL;
    if (block != NULL) {
        pool->spare = block->next;
        pool->spares--;
    } else if ((block = aligned_alloc(CACHE_LINE_OCTETS, sizeof *block)) == NULL) {
        return NULL;
    }
    block->next = NULL;
    block->written = block->read = block->waiting = 0;
    queue->blocks++;
    return block;
}

static void give_back(ql_queue *queue, ql_block *block)
{
    ql_block_pool *pool = queue->pool;
    queue->blocks--;
    if (pool->spares == QL_SPARE_BLOCKS) {
        free(block);
        return;
    }
    block->next = pool->spare;
    pool->spare = block;
    pool->spares++;
}

void ql_block_pool_clear(ql_block_pool *pool)
{
    while (pool->spare != NULL) {
        ql_block *block = pool->spare;
        pool->spare = block->next;
        free(block);
    }
    pool->spares = 0;
}

void ql_queue_init(ql_queue *queue, ql_block_pool *pool)
{
    memset(queue, 0, sizeof *queue);
    queue->pool = pool;
}

/* Has the cache fetch the place of the next frame, which is likely as long as this one: a deep queue has long
   gone from it. */
static inline void prefetch(const ql_block *block, uint32_t from, uint32_t octets, int to_write)
{
    for (uint32_t at = from; at < from + octets && at < QL_BLOCK_OCTETS; at += CACHE_LINE_OCTETS)
        if (to_write)
            __builtin_prefetch(block->room + at, 1);
        else
            __builtin_prefetch(block->room + at, 0);
}

int ql_queue_push(ql_queue *queue, const uint8_t *frame, uint32_t octets, uint64_t leave_ns,
                  uint32_t overtakers)
{
    uint32_t size = record_octets(octets);
    ql_block *block = queue->last;
    if (size > QL_BLOCK_OCTETS)
        return -1;
    if (block == NULL || size > QL_BLOCK_OCTETS - block->written) {
        ql_block *next = take_block(queue);
        if (next == NULL)
            return -1;
        if (block != NULL)
            block->next = next;
        /* A last block that was read to its end stays only for frames that are held in it. */
        if (queue->first == NULL || queue->first->read == queue->first->written)
            queue->first = next;
        queue->last = block = next;
    }
    ql_record *record = (ql_record *)(block->room + block->written);
    *record = (ql_record){.leave_ns = leave_ns, .octets = octets, .overtakers = overtakers};
    memcpy(record->frame, frame, octets);
    block->written += size;
    prefetch(block, block->written, size, 1);
    block->waiting++;
    queue->frames++;
    queue->octets += octets;
    return 0;
}

/* The first in line, or NULL. */
static ql_record *head(const ql_queue *queue)
{
    ql_block *block = queue->first;
    return block != NULL && block->read < block->written ? (ql_record *)(block->room + block->read) : NULL;
}

/* Takes the first in line out of the line; it stays in its block. */
static ql_block *advance(ql_queue *queue, const ql_record *record)
{
    ql_block *block = queue->first;
    block->read += record_octets(record->octets);
    if (block->read == block->written && block->next != NULL)
        queue->first = block->next;
    return block;
}

/* Copies a frame that leaves onto the burst; its block goes with its last frame. */
static void leave(ql_queue *queue, const ql_record *record, ql_block *block, ql_burst *burst)
{
    memcpy(ql_burst_slot(burst), record->frame, record->octets);
    ql_burst_push(burst, record->octets);
    queue->frames--;
    queue->octets -= record->octets;
    if (--block->waiting > 0)
        return;
    if (block == queue->last)
        queue->first = queue->last = NULL;
    give_back(queue, block);
}

static void hold(ql_queue *queue, ql_record *record, ql_block *block)
{
    queue->held[queue->held_count++] = (ql_held){
        .record = record,
        .block = block,
        .turn = queue->left + record->overtakers,
        .since = queue->left,
        .deadline_ns = record->leave_ns + QL_QUEUE_HOLD_NS,
    };
}

static void leave_held(ql_queue *queue, uint32_t i, ql_burst *burst)
{
    ql_held held = queue->held[i];
    queue->held_count--;
    memmove(queue->held + i, queue->held + i + 1, (queue->held_count - i) * sizeof held);
    queue->overtaken += queue->left > held.since;
    leave(queue, held.record, held.block, burst);
}

/* When the next frame is due: held frame number *i or, where that is held_count, the first in line. */
static uint64_t next(const ql_queue *queue, uint32_t *i)
{
    for (*i = 0; *i < queue->held_count; ++*i)
        if (queue->left >= queue->held[*i].turn)
            return queue->left_ns;
    const ql_record *first = head(queue);
    uint64_t first_ns = first != NULL ? first->leave_ns : UINT64_MAX;
    if (queue->held_count == 0 || queue->held[0].deadline_ns > first_ns)
        return first_ns;
    *i = 0; /* held first, so the first to have waited long enough */
    return queue->held[0].deadline_ns;
}

uint64_t ql_queue_next_ns(const ql_queue *queue)
{
    uint32_t i;
    return next(queue, &i);
}

void ql_queue_pop(ql_queue *queue, uint64_t now_ns, ql_burst *burst)
{
    uint32_t i;
    while (burst->count < QL_BURST && queue->frames > 0) {
        uint64_t due_ns = next(queue, &i);
        if (due_ns > now_ns || (burst->count >= QL_BURST / 2 && due_ns != queue->left_ns))
            return;
        if (i < queue->held_count) {
            leave_held(queue, i, burst);
            continue;
        }
        ql_record *record = head(queue);
        ql_block *block = advance(queue, record);
        prefetch(block, block->read, record_octets(record->octets), 0);
        if (record->overtakers > 0 && queue->held_count < QL_QUEUE_HELD) {
            hold(queue, record, block);
            continue;
        }
        queue->left++;
        queue->left_ns = record->leave_ns;
        leave(queue, record, block, burst);
    }
}

uint64_t ql_queue_clear(ql_queue *queue)
{
    uint64_t frames = queue->frames;
    /* Blocks out of the line are there for held frames alone; several may share one. */
    while (queue->held_count > 0) {
        ql_block *block = queue->held[--queue->held_count].block;
        if (--block->waiting == 0 && block != queue->last)
            give_back(queue, block);
    }
    for (ql_block *block = queue->first; block != NULL;) {
        ql_block *following = block->next;
        give_back(queue, block);
        block = following;
    }
    queue->first = queue->last = NULL;
    queue->frames = queue->octets = 0;
    return frames;
}

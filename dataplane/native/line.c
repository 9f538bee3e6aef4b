/* What becomes of a burst on a line. */
#include "line.h"

#include "count.h"
#include "wire_api.h"

#include <stdlib.h>

void ql_line_init(ql_line *line, uint64_t seed, ql_block_pool *pool, uint64_t *counters)
{
    ql_impairer_init(&line->impairer, seed);
    ql_queue_init(&line->queue, pool);
    line->counters = counters;
}

static void count(ql_line *line, int counter, uint64_t by)
{
    if (by > 0)
        ql_count(&line->counters[counter], by);
}

/* Tells what the queue itself counts. */
static void tell(ql_line *line)
{
    ql_tell(&line->counters[QL_WIRE_QUEUE_FRAMES], line->queue.frames);
    ql_tell(&line->counters[QL_WIRE_QUEUE_OCTETS], line->queue.octets);
    ql_tell(&line->counters[QL_WIRE_REORDERED], line->queue.overtaken);
}

void ql_line_impair(ql_line *line, const ql_impairment *impairment)
{
    ql_impairer_set(&line->impairer, impairment);
}

void ql_line_corrupt(ql_line *line, ql_burst *burst)
{
    if (!ql_impairer_acts(&line->impairer))
        return;
    for (uint32_t i = 0; i < burst->count; i++) {
        int32_t bit = ql_impairer_corrupts(&line->impairer, burst->length[i]);
        if (bit >= 0) {
            ql_burst_flip_bit(burst, i, (uint32_t)bit);
            count(line, QL_WIRE_CORRUPTED, 1);
        }
    }
}

/* Puts the copies of a frame that were decided on into the queue. */
static void enqueue(ql_line *line, const ql_fate *fate, const uint8_t *frame, uint32_t octets)
{
    for (uint32_t i = 0; i < fate->copies; i++)
        if (ql_queue_push(&line->queue, frame, octets, fate->leave_ns[i], fate->overtakers) < 0)
            count(line, QL_WIRE_DROP_MEMORY, 1);
}

/* The counter of why nothing of a frame goes on, or 0. */
static int drop_of(const ql_fate *fate)
{
    if (fate->copies > 0)
        return 0;
    return fate->lost ? QL_WIRE_DROP_LOSS : QL_WIRE_DROP_QUEUE;
}

void ql_line_enter(ql_line *line, ql_burst *burst, uint64_t now_ns)
{
    if (!ql_impairer_acts(&line->impairer) && line->queue.frames == 0) {
        ql_capture_burst(&line->captures, burst, 0);
        return;
    }
    /* While there are frames in the queue all others go behind them. */
    int queues = ql_impairer_queues(&line->impairer) || line->queue.frames > 0;
    uint32_t kept = 0, lost = 0, overflows = 0, duplicates = 0;
    for (uint32_t i = 0; i < burst->count; i++) {
        ql_fate fate = ql_impairer_frame(&line->impairer, burst->length[i], now_ns);
        ql_capture_frame(&line->captures, ql_burst_frame(burst, i), burst->length[i], drop_of(&fate));
        lost += fate.lost;
        overflows += fate.overflows;
        duplicates += fate.copies + fate.overflows > 1;
        if (queues)
            enqueue(line, &fate, ql_burst_frame(burst, i), burst->length[i]);
        else if (fate.copies > 0)
            ql_burst_keep(burst, i, kept++);
    }
    burst->count = kept;
    count(line, QL_WIRE_DROP_LOSS, lost);
    count(line, QL_WIRE_DROP_QUEUE, overflows);
    count(line, QL_WIRE_DUPLICATED, duplicates);
    tell(line);
}

uint64_t ql_line_next_ns(const ql_line *line)
{
    return ql_queue_next_ns(&line->queue);
}

void ql_line_leave(ql_line *line, ql_burst *burst, uint64_t now_ns)
{
    if (line->queue.frames == 0)
        return;
    ql_queue_pop(&line->queue, now_ns, burst);
    tell(line);
}

uint64_t ql_line_clear(ql_line *line)
{
    uint64_t frames = ql_queue_clear(&line->queue);
    tell(line);
    return frames;
}

typedef struct {
    ql_line line; /* first: it is freed by its address */
    ql_block_pool pool;
} pooled_line;

ql_line *ql_line_new(uint64_t seed, uint64_t *counters)
{
    pooled_line *pooled = calloc(1, sizeof *pooled);
    if (pooled == NULL)
        return NULL;
    ql_line_init(&pooled->line, seed, &pooled->pool, counters);
    return &pooled->line;
}

void ql_line_free(ql_line *line)
{
    if (line == NULL)
        return;
    ql_queue_clear(&line->queue);
    ql_block_pool_clear(line->queue.pool);
    free(line);
}

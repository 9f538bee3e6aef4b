/* The line between two SecYs: what impairs frames and where they wait, counted. */
#pragma once
#include "capture.h"
#include "impairment.h"
#include "line_api.h"
#include "queue.h"

struct ql_line {
    ql_impairer impairer;
    ql_queue queue;
    uint64_t *counters;
    ql_captures captures; /* of the wire that the line belongs to */
};

/* A line without impairment; the pool and the counters must outlive it. */
void ql_line_init(ql_line *line, uint64_t seed, ql_block_pool *pool, uint64_t *counters);

#pragma once
#include "burst_api.h"
#include "impairment_api.h"

/* The line of a wire by itself, on time that the caller tells: for tests and benchmarks. `counters` are
   QL_WIRE_COUNTERS slots and stay the caller's. NULL where memory is short. */
typedef struct ql_line ql_line;
ql_line *ql_line_new(uint64_t seed, uint64_t *counters);
void ql_line_free(ql_line *line);

void ql_line_impair(ql_line *line, const ql_impairment *impairment);

/* Inverts bits of the frames that are to be corrupted. */
void ql_line_corrupt(ql_line *line, ql_burst *burst);

/* Puts the burst's frames on the line. Those that it does not keep go on at once and are left in the burst.
 */
void ql_line_enter(ql_line *line, ql_burst *burst, uint64_t now_ns);

/* When frames on the line are due next; UINT64_MAX where none is there. */
uint64_t ql_line_next_ns(const ql_line *line);

/* Pushes onto the burst what is due, as much as ql_queue_pop does at once. */
void ql_line_leave(ql_line *line, ql_burst *burst, uint64_t now_ns);

/* Loses all that is on the line; returns how many frames. */
uint64_t ql_line_clear(ql_line *line);

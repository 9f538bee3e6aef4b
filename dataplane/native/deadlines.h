/* When wires have something to do by themselves: a binary heap, the earliest first. */
#pragma once
#include "wire.h"

#include <stddef.h>

typedef struct {
    ql_wire **wires;
    uint32_t count;
    uint32_t room;
} ql_deadlines;

/* Makes room for that many wires; -1 where memory is short. */
int ql_deadlines_reserve(ql_deadlines *deadlines, uint32_t wires);

/* Moves the wire to where its deadline_ns belongs; out of the heap where that is UINT64_MAX. */
void ql_deadlines_place(ql_deadlines *deadlines, ql_wire *wire);

/* The wire with the earliest deadline, or NULL. */
static inline ql_wire *ql_deadlines_first(const ql_deadlines *deadlines)
{
    return deadlines->count > 0 ? deadlines->wires[0] : NULL;
}

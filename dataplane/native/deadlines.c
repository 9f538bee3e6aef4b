/* A binary heap of wires. Each knows its place, counted from 1, so that its deadline may change. */
#include "deadlines.h"

#include <stdlib.h>

int ql_deadlines_reserve(ql_deadlines *deadlines, uint32_t wires)
{
    if (wires <= deadlines->room)
        return 0;
    ql_wire **heap = realloc(deadlines->wires, wires * sizeof(ql_wire *));
    if (heap == NULL)
        return -1;
    deadlines->wires = heap;
    deadlines->room = wires;
    return 0;
}

static void put(ql_deadlines *deadlines, uint32_t place, ql_wire *wire)
{
    deadlines->wires[place - 1] = wire;
    wire->deadline_place = place;
}

/* Moves the wire up from `place` while those above it are later, then down while those below are earlier. */
static void sift(ql_deadlines *deadlines, uint32_t place, ql_wire *wire)
{
    ql_wire **heap = deadlines->wires;
    while (place > 1 && heap[place / 2 - 1]->deadline_ns > wire->deadline_ns) {
        put(deadlines, place, heap[place / 2 - 1]);
        place /= 2;
    }
    for (uint32_t child = 2 * place; child <= deadlines->count; child = 2 * place) {
        if (child < deadlines->count && heap[child]->deadline_ns < heap[child - 1]->deadline_ns)
            child++;
        if (heap[child - 1]->deadline_ns >= wire->deadline_ns)
            break;
        put(deadlines, place, heap[child - 1]);
        place = child;
    }
    put(deadlines, place, wire);
}

void ql_deadlines_place(ql_deadlines *deadlines, ql_wire *wire)
{
    uint32_t place = wire->deadline_place;
    if (wire->deadline_ns != UINT64_MAX) {
        sift(deadlines, place > 0 ? place : ++deadlines->count, wire);
    } else if (place > 0) {
        ql_wire *last = deadlines->wires[--deadlines->count];
        wire->deadline_place = 0;
        if (last != wire)
            sift(deadlines, place, last);
    }
}

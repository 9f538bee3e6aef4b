/* One direction of a link as its worker sees it. */
#pragma once
#include "line.h"
#include "port.h"

#include <stdatomic.h>

typedef struct {
    uint32_t id;
    ql_wire_config config;
    atomic_int blocked;
    atomic_int port_gone;
    ql_line line;
    uint32_t flip_bit;
    uint32_t flip_frames;
    int transmitting;        /* MAC_Operational of the sending SecY when last looked at */
    uint64_t deadline_ns;    /* when its worker looks at it next; UINT64_MAX: when its port has frames */
    uint32_t deadline_place; /* among the worker's deadlines, from 1; 0: it has none */
} ql_wire;

/* The pool, for frames that wait, is that of the wire's worker. NULL where memory is short. */
ql_wire *ql_wire_new(const ql_wire_config *config, ql_block_pool *pool);
void ql_wire_free(ql_wire *wire);

/* Carries what the sending port holds, at most one burst, to the receiving port. Returns 1 when something
   happened that the engine's owner must look at: the port went away, the SecY stopped sending or sends again,
   or its packet numbers have come to where an alarm was set. */
int ql_wire_run(ql_wire *wire, ql_scratch *scratch);

/* Carries all that the sending port holds, at most so many bursts. */
void ql_wire_drain(ql_wire *wire, ql_scratch *scratch, uint32_t bursts);

/* Carries frames, at most a burst, that are already on the wire and lie one behind the other; returns their
   octets. */
uint64_t ql_wire_inject(ql_wire *wire, ql_scratch *scratch, const uint8_t *frames, const uint32_t *lengths,
                        uint32_t count);

/* When the next frame that is on its way is due; UINT64_MAX where none is. */
uint64_t ql_wire_next_ns(const ql_wire *wire);

/* Lets at most a burst of the frames that are due go on to the receiving port. */
void ql_wire_release(ql_wire *wire, ql_scratch *scratch, uint64_t now_ns);

/* One direction of a link as its worker sees it. */
#pragma once
#include "line.h"
#include "port.h"

#include <stdatomic.h>

typedef struct {
    uint32_t id;
    ql_wire_config config;
    ql_capture *capture;
    uint32_t capture_sides;
    atomic_int blocked;
    atomic_int port_gone;
    ql_line line;
    uint32_t flip_bit;
    uint32_t flip_frames;
    int transmitting; /* MAC_Operational of the sending SecY when last looked at */
} ql_wire;

/* Carries what the sending port holds, at most one burst, to the receiving port. Returns 1 when something
   happened that the engine's owner must look at: the port went away, the SecY stopped sending or sends again,
   or its packet numbers have come to where an alarm was set. */
int ql_wire_run(ql_wire *wire, ql_scratch *scratch);

/* Carries frames, at most a burst, that are already on the wire and lie one behind the other; returns their
   octets. */
uint64_t ql_wire_inject(ql_wire *wire, ql_scratch *scratch, const uint8_t *frames, const uint32_t *lengths,
                        uint32_t count);

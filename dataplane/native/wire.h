/* One direction of a link as its worker sees it. */
#pragma once
#include "loss.h"
#include "wire_api.h"

#include <stdatomic.h>

enum { QL_BURST = 64, QL_HEADROOM = 32, QL_TAILROOM = 32 };

typedef struct {
    uint32_t id;
    ql_wire_config config;
    ql_capture *capture;
    uint32_t capture_sides;
    atomic_int blocked;
    atomic_int port_gone;
    ql_loss loss;
    uint32_t flip_bit;
    uint32_t flip_frames;
    int transmitting; /* MAC_Operational of the sending SecY when last looked at */
} ql_wire;

/* Room for one burst; slots are `stride` octets apart. */
typedef struct {
    uint8_t *arena;
    uint64_t stride;
    uint32_t offset[QL_BURST];
    uint32_t length[QL_BURST];
    uint8_t verdict[QL_BURST];
} ql_burst;

/* Makes the burst's slots hold frames of frame_octets; -1 where memory is short. */
int ql_burst_reserve(ql_burst *burst, uint32_t frame_octets);

/* Carries what the sending port holds, at most one burst, to the receiving port. Returns 1 when something
   happened that the engine's owner must look at: the port went away, the SecY stopped sending or sends again,
   or its packet numbers have come to where an alarm was set. */
int ql_wire_run(ql_wire *wire, ql_burst *burst);

/* Carries frames, at most a burst, that are already on the wire and lie one behind the other; returns their
   octets. */
uint64_t ql_wire_inject(ql_wire *wire, ql_burst *burst, const uint8_t *frames, const uint32_t *lengths,
                        uint32_t count);

#pragma once
#include "capture_api.h"
#include "impairment_api.h"
#include "port_api.h"
#include "secy_api.h"
#include <stdint.h>

/* Counters of one direction of a link, in slots of 8 octets; the reader is another process. */
enum {
    QL_WIRE_TX_FRAMES, /* taken from the sending port */
    QL_WIRE_TX_OCTETS,
    QL_WIRE_RX_FRAMES, /* handed to the receiving port */
    QL_WIRE_RX_OCTETS,
    QL_WIRE_DROP_FAULT,    /* lost on the wire: a cut or a silent failure */
    QL_WIRE_DROP_LOSS,     /* lost on the wire by chance */
    QL_WIRE_DROP_EAPOL,    /* EAPOL from a node: only the KaY may send it on a MACsec link */
    QL_WIRE_DROP_RUNT,     /* shorter than an Ethernet header */
    QL_WIRE_DROP_TOO_LONG, /* longer than the link's frame size */
    QL_WIRE_DROP_PROTECT,  /* not protected: no SA in use or PN exhausted */
    QL_WIRE_DROP_VALIDATE, /* refused by the receiving SecY, whose counters say why */
    QL_WIRE_DROP_PORT,     /* refused by the receiving port: down, gone or full */
    QL_WIRE_DROP_SEGMENT,  /* a super-frame that no kernel should have handed over */
    QL_WIRE_DROP_QUEUE,    /* lost on the wire: its queue was full */
    QL_WIRE_DROP_MEMORY,   /* could not wait on the wire: memory is short, or too much waits already */
    QL_WIRE_DUPLICATED,
    QL_WIRE_REORDERED, /* left after a later one */
    QL_WIRE_CORRUPTED,
    QL_WIRE_QUEUE_FRAMES, /* on their way now */
    QL_WIRE_QUEUE_OCTETS,
    QL_WIRE_TX_SUPER_FRAMES, /* cut into frames at the sending port */
    QL_WIRE_RX_SUPER_FRAMES, /* made of frames for the receiving port */
    QL_WIRE_LATENCY_NS,  /* from port to port, but for what an impairment asked for; the sum of all frames */
    QL_WIRE_DROP_UNREAD, /* never taken from the sending port: the kernel had no room; its owner counts it */
    /* How many frames took how long: slot i less than 2^i us, the last one longer. */
    QL_WIRE_LATENCY_BUCKETS = 32,
    QL_WIRE_COUNTERS = 48
};

/* One direction of a link. Ports, SecYs and counters stay the caller's and must outlive the wire. A plain
   link has no SecY. */
typedef struct {
    ql_port *sending;
    ql_port *receiving;
    uint32_t frame_octets; /* longest clear frame */
    ql_secy *transmit;
    ql_secy *receive;
    uint64_t *counters; /* QL_WIRE_COUNTERS slots */
    uint64_t seed;      /* of the wire's chance */
} ql_wire_config;

typedef struct ql_engine ql_engine;
/* Starts the worker threads, which never sleep where they busy_poll; NULL with errno set where that fails. */
ql_engine *ql_engine_new(uint32_t workers, int busy_poll);
/* Stops the workers and forgets the wires with the frames on them; what ports still hold stays there. */
void ql_engine_free(ql_engine *engine);
/* Readable when a port went away, a SecY stopped sending or sends again, or its alarm went off: read it, then
   look at the wires. */
int ql_engine_event_fd(const ql_engine *engine);

/* All return -1 with errno set on failure. A wire's id is unique while it exists. */
int ql_engine_add_wire(ql_engine *engine, const ql_wire_config *config);
/* Carries first what the sending port still holds. */
int ql_engine_remove_wire(ql_engine *engine, uint32_t wire);
/* A blocked wire loses every frame after it was protected. Takes effect on the next frame. */
int ql_engine_block_wire(ql_engine *engine, uint32_t wire, int blocked);
/* What the wire does to frames after they were protected, from the next frame on. */
int ql_engine_impair_wire(ql_engine *engine, uint32_t wire, const ql_impairment *impairment);
/* Whether the sending port has gone away; 0 or 1. */
int ql_engine_port_gone(ql_engine *engine, uint32_t wire);
/* Inverts one bit, counted from the first bit of the destination address, in each of the next `frames`
   frames that are long enough. */
int ql_engine_flip_bit(ql_engine *engine, uint32_t wire, uint32_t bit, uint32_t frames);
/* Puts frames, which lie one behind the other, on the wire as a stranger would: they meet the capture, the
   fault and the receiving SecY, each burst of them between two of the wire's own. */
int ql_engine_inject(ql_engine *engine, uint32_t wire, const uint8_t *frames, const uint32_t *lengths,
                     uint32_t count);
/* Begins, and ends, to show a wire's frames to a capture, which stays the caller's. EBUSY where the wire has
   QL_CAPTURE_LIMIT captures. */
int ql_engine_add_capture(ql_engine *engine, uint32_t wire, ql_capture *capture);
int ql_engine_remove_capture(ql_engine *engine, uint32_t wire, const ql_capture *capture);

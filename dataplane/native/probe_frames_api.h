#pragma once
#include <stdint.h>

#include "port_api.h"
#include "probe_api.h"

/* Probe packets as Ethernet frames between two ports, without the network stack of either end: one thread
   that never sleeps sends what is due and reads what came, in turn. It ends when all is sent, or the sender
   is told to stop, and grace_ns have passed since. The sender's cpu_ns is that of both ends up to
   the last packet sent. */
typedef struct {
    ql_port *near;
    ql_port *far;
    ql_probe_sender *sender;     /* sockets, train, segments, spin and packet are not used */
    ql_probe_receiver *receiver; /* neither are epoll, spin, super and kernel_time */
    uint8_t *frame;              /* headers, then packet_octets of payload, which is written over */
    uint64_t header_octets;
    uint64_t grace_ns;
} ql_probe_frames;

void ql_probe_frames_run(ql_probe_frames *frames);

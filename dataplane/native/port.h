/* What a wire asks of a port. One thread receives from a port and one, which may be another, sends to it. */
#pragma once
#include "port_api.h"
#include "scratch.h"
#include "wire_api.h"

enum ql_received {
    QL_PORT_GONE = -1,
    QL_PORT_EMPTY = 0, /* nothing is left now */
    QL_PORT_MORE = 1,  /* there may be more: then `fd` is readable */
    QL_PORT_REST = 2,  /* more is in the scratch, which must come back with the next call */
};

typedef struct {
    /* Pushes frames that a node sent until the burst is full or none is left. A frame longer than a slot may
       be cut to the slot's length. Counts, in the counters of the sending wire, only what it drops itself.
       Unless QL_PORT_REST is returned, the scratch may serve another port before the next call. */
    enum ql_received (*receive)(ql_port *port, ql_scratch *scratch, uint64_t *counters);
    /* Hands the burst's frames to the node, and counts them in the wire's counters: as received, or as
       refused by the port. */
    void (*send)(ql_port *port, ql_scratch *scratch, uint64_t *counters);
    void (*free)(ql_port *port);
} ql_port_operations;

/* Each kind of port begins with this. */
struct ql_port {
    const ql_port_operations *operations;
    int fd; /* readable when there is something to receive */
};

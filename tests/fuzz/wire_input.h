/* What the fuzz targets of a wire share: socket pairs for ports, and a wire between two SecYs as the input
 * has it. */
#pragma once
#include <sys/socket.h>

#include "input.h"
#include "wire.h"

static inline void make_sockets(int sockets[2])
{
    EXPECT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sockets) == 0);
}

typedef struct {
    ql_wire wire;
    ql_secy *secys[2];
    uint64_t counters[QL_WIRE_COUNTERS];
    uint8_t bits; /* the lowest tells that the link is a plain one */
} fuzz_wire;

/* A wire that knows nothing yet of impairments; on a MACsec link both SecYs have the same key. */
static inline void take_wire(fuzz_input *input, ql_port *const ports[2], uint32_t frame_octets,
                             ql_block_pool *blocks, fuzz_wire *made)
{
    ql_secy_config near = take_config(input), far = near;
    far.sci[0] = 4;
    uint8_t key[32], bits = (uint8_t)take(input, 1);
    ql_sak sak = take_sak(input, &near, key);
    *made =
        (fuzz_wire){.secys = {ql_secy_new(&near, NULL, NULL), ql_secy_new(&far, NULL, NULL)}, .bits = bits};
    ql_secy **secys = made->secys;
    ql_wire_config *config = &made->wire.config;
    *config = (ql_wire_config){ports[0], ports[1], frame_octets, secys[0], secys[1], made->counters, bits};
    if (secys[0] == NULL || bits & 1)
        config->transmit = config->receive = NULL;
    if (config->transmit != NULL) {
        ql_secy_install_transmit_sa(secys[0], 0, &sak, 1, UINT32_MAX);
        ql_secy_install_receive_sa(secys[1], own_sci, 0, &sak, 1);
    }
    ql_line_init(&made->wire.line, bits, blocks, made->counters);
}

static inline void free_wire(fuzz_wire *made)
{
    ql_line_clear(&made->wire.line);
    ql_secy_free(made->secys[0]);
    ql_secy_free(made->secys[1]);
}

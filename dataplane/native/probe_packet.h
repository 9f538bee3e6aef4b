/* A probe packet's header, and how it is laid out. */
#pragma once
#include <endian.h>
#include <string.h>

#include "probe_api.h"

typedef struct {
    uint32_t magic;
    uint16_t flow;
    uint32_t sequence;
    uint64_t tx_ns;
} ql_probe_header;

static inline void ql_probe_header_write(uint8_t to[QL_PROBE_HEADER_OCTETS], const ql_probe_header *header)
{
    uint32_t magic = htobe32(header->magic), sequence = htobe32(header->sequence);
    uint16_t flow = htobe16(header->flow);
    uint64_t tx_ns = htobe64(header->tx_ns);
    memcpy(to, &magic, sizeof magic);
    memcpy(to + 4, &flow, sizeof flow);
    memcpy(to + 6, &sequence, sizeof sequence);
    memcpy(to + 10, &tx_ns, sizeof tx_ns);
}

static inline ql_probe_header ql_probe_header_read(const uint8_t from[QL_PROBE_HEADER_OCTETS])
{
    ql_probe_header header;
    memcpy(&header.magic, from, sizeof header.magic);
    memcpy(&header.flow, from + 4, sizeof header.flow);
    memcpy(&header.sequence, from + 6, sizeof header.sequence);
    memcpy(&header.tx_ns, from + 10, sizeof header.tx_ns);
    return (ql_probe_header){be32toh(header.magic), be16toh(header.flow), be32toh(header.sequence),
                             be64toh(header.tx_ns)};
}

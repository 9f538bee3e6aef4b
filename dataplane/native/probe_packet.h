/* A probe packet's header, how it is laid out, and what senders and receivers of any kind do with packets. */
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

/* When a packet is due, after the first one. */
uint64_t ql_probe_deadline_ns(const ql_probe_sender *sender, uint64_t number);
/* How many packets leave now, the first of which is due: a train, or, where there is but one flow, all that
   are due. Notes how late they are. */
uint64_t ql_probe_due(ql_probe_sender *sender, uint64_t number, uint64_t elapsed_ns);
/* Writes a packet's header, and its record where records are kept. */
void ql_probe_write(ql_probe_sender *sender, uint64_t number, uint8_t *packet, uint64_t tx_ns);
/* Keeps what arrived, or counts it as malformed. */
void ql_probe_take(ql_probe_receiver *receiver, const uint8_t *packet, uint64_t octets, uint64_t rx_ns);

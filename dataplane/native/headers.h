/* Where the headers of a TCP or UDP frame lie. */
#pragma once
#include <stdint.h>

enum {
    QL_IPV4_HEADER_OCTETS = 20, /* without options */
    QL_IPV6_HEADER_OCTETS = 40,
    QL_TCP_HEADER_OCTETS = 20,
    QL_UDP_HEADER_OCTETS = 8,
    QL_TCP_CHECKSUM = 16, /* where in the header it lies */
    QL_UDP_CHECKSUM = 6
};

enum {
    QL_TCP_FIN = 0x01,
    QL_TCP_SYN = 0x02,
    QL_TCP_RST = 0x04,
    QL_TCP_PSH = 0x08,
    QL_TCP_URG = 0x20,
    QL_TCP_CWR = 0x80
};

/* Octets from the start of the frame; 1 or 0. */
typedef struct {
    uint32_t network;
    uint32_t transport;
    uint32_t payload;
    uint16_t ipv6; /* or IPv4; no padding, so that two can be compared whole */
    uint16_t tcp;  /* or UDP */
} ql_headers;

/* Reads the headers of a frame that is one whole TCP or UDP packet in IPv4 or IPv6, perhaps behind VLAN tags:
   no fragment, and every length is that of the frame. 0 for any other, and where an IPv6 extension header is
   none of those that stay the same from segment to segment (RFC 8200: hop-by-hop, routing, destination). */
int ql_headers_read(const uint8_t *frame, uint32_t octets, ql_headers *headers);

#pragma once
#include <stdint.h>

/* struct virtio_net_hdr of linux/virtio_net.h, in the machine's byte order: what a TAP device with offload
   says of each frame, and is told. */
typedef struct {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;     /* octets in front of the payload */
    uint16_t gso_size;    /* payload octets of a segment; the last may have fewer */
    uint16_t csum_start;  /* where the checksum is from ... */
    uint16_t csum_offset; /* ... and goes to, from there */
} ql_vnet_header;

enum { QL_VNET_HEADER_OCTETS = 10 };
/* flags: the checksum's field holds the sum of the pseudo-header, the rest is still to do. */
enum { QL_VNET_NEEDS_CSUM = 1 };
enum ql_vnet_gso {
    QL_VNET_GSO_NONE = 0,
    QL_VNET_GSO_TCPV4 = 1,
    QL_VNET_GSO_TCPV6 = 4,
    QL_VNET_GSO_UDP_L4 = 5,
    QL_VNET_GSO_ECN = 0x80 /* besides: the first segment has CWR */
};

/* TCP and UDP segmentation, as a NIC does it. A segment differs from its neighbors in the lengths, the IPv4
   identification, the sequence number, some flags and the checksums; all the rest of the headers is summed up
   once for all of them. */
#include "segment_api.h"

#include "checksum.h"
#include "headers.h"

#include <arpa/inet.h>

/* Whether the header says what ql_headers found. */
static int agrees(const ql_vnet_header *header, const ql_headers *headers)
{
    int type = header->gso_type;
    if (headers->tcp)
        type &= ~QL_VNET_GSO_ECN;
    int expected = !headers->tcp ? QL_VNET_GSO_UDP_L4 : headers->ipv6 ? QL_VNET_GSO_TCPV6 : QL_VNET_GSO_TCPV4;
    return type == expected && header->flags & QL_VNET_NEEDS_CSUM &&
           header->csum_start == headers->transport &&
           header->csum_offset == (headers->tcp ? QL_TCP_CHECKSUM : QL_UDP_CHECKSUM);
}

/* Lengths, identification and checksum are taken out. */
static uint64_t shared_network_sum(const uint8_t *frame, const ql_headers *headers)
{
    const uint8_t *ip = frame + headers->network;
    if (headers->ipv6)
        return 0; /* it has no checksum */
    return ql_sum_header(ip, headers->transport - headers->network) + ql_sum_without(ql_load16(ip + 2)) +
           ql_sum_without(ql_load16(ip + 4)) + ql_sum_without(ql_load16(ip + 10));
}

/* The checksum's field holds the sum of the pseudo-header, with the length of the super-frame. */
static uint64_t shared_transport_sum(const uint8_t *frame, uint32_t octets, const ql_headers *headers)
{
    const uint8_t *transport = frame + headers->transport;
    uint64_t sum = ql_sum_header(transport, headers->payload - headers->transport) +
                   ql_sum_without(htons((uint16_t)(octets - headers->transport)));
    if (!headers->tcp)
        return sum + ql_sum_without(ql_load16(transport + 4));
    return sum + ql_sum_without(ql_load16(transport + 4)) + ql_sum_without(ql_load16(transport + 6)) +
           ql_sum_without(ql_load16(transport + 12));
}

int ql_segment_begin(ql_segmenter *segmenter, const ql_vnet_header *header, const uint8_t *frame,
                     uint32_t octets, uint32_t frame_octets)
{
    ql_headers headers;
    if (!ql_headers_read(frame, octets, &headers) || !agrees(header, &headers))
        return QL_SEGMENT_MALFORMED;
    if (header->gso_size == 0 || headers.payload == octets)
        return QL_SEGMENT_MALFORMED;
    uint32_t longest =
        octets - headers.payload < header->gso_size ? octets : headers.payload + header->gso_size;
    if (longest > frame_octets)
        return QL_SEGMENT_TOO_LONG;
    *segmenter = (ql_segmenter){
        .frame = frame,
        .octets = octets,
        .at = headers.payload,
        .segment_octets = header->gso_size,
        .network = headers.network,
        .transport = headers.transport,
        .payload = headers.payload,
        .ipv6 = headers.ipv6,
        .tcp = headers.tcp,
        .network_sum = shared_network_sum(frame, &headers),
        .transport_sum = shared_transport_sum(frame, octets, &headers),
    };
    return 0;
}

uint32_t ql_segments_left(const ql_segmenter *segmenter)
{
    uint32_t left = segmenter->octets - segmenter->at;
    return left == 0 ? 0 : (left + segmenter->segment_octets - 1) / segmenter->segment_octets;
}

static void write_ipv4(const ql_segmenter *segmenter, uint8_t *ip, uint32_t octets)
{
    uint16_t length = htons((uint16_t)octets);
    uint16_t identification = htons((uint16_t)(ntohs(ql_load16(ip + 4)) + segmenter->index));
    ql_store16(ip + 2, length);
    ql_store16(ip + 4, identification);
    ql_store16(ip + 10, (uint16_t)~ql_fold(segmenter->network_sum + length + identification));
}

/* `sum`: of the pseudo-header, the payload, and all of the header that this does not change. */
static void write_tcp(const ql_segmenter *segmenter, uint8_t *tcp, uint64_t sum, int last)
{
    uint32_t sequence = htonl(ntohl(ql_load32(tcp + 4)) + segmenter->at - segmenter->payload);
    if (!last)
        tcp[13] &= (uint8_t)~(QL_TCP_FIN | QL_TCP_PSH);
    if (segmenter->index > 0)
        tcp[13] &= (uint8_t)~QL_TCP_CWR; /* RFC 3168, 6.1.2: the window was reduced once */
    ql_store32(tcp + 4, sequence);
    ql_store16(tcp + QL_TCP_CHECKSUM, (uint16_t)~ql_fold(sum + sequence + ql_load16(tcp + 12)));
}

static void write_udp(uint8_t *udp, uint64_t sum, uint16_t length)
{
    uint16_t checksum = (uint16_t)~ql_fold(sum + length);
    ql_store16(udp + 4, length);
    ql_store16(udp + QL_UDP_CHECKSUM, checksum ? checksum : 0xFFFF); /* RFC 768: 0 would be none */
}

uint32_t ql_segment_next(ql_segmenter *segmenter, uint8_t *to)
{
    uint32_t left = segmenter->octets - segmenter->at, network = segmenter->network;
    uint32_t transport = segmenter->transport;
    if (left == 0)
        return 0;
    uint32_t taken = left < segmenter->segment_octets ? left : segmenter->segment_octets;
    uint32_t octets = segmenter->payload + taken;
    uint16_t length = htons((uint16_t)(octets - transport));
    memcpy(to, segmenter->frame, segmenter->payload);
    uint64_t sum = segmenter->transport_sum + length +
                   ql_copy_sum(to + segmenter->payload, segmenter->frame + segmenter->at, taken);
    if (segmenter->ipv6)
        ql_store16(to + network + 4, htons((uint16_t)(octets - network - QL_IPV6_HEADER_OCTETS)));
    else
        write_ipv4(segmenter, to + network, octets - network);
    if (segmenter->tcp)
        write_tcp(segmenter, to + transport, sum, taken == left);
    else
        write_udp(to + transport, sum, length);
    segmenter->at += taken;
    segmenter->index++;
    return octets;
}

int ql_checksum_complete(const ql_vnet_header *header, uint8_t *frame, uint32_t octets)
{
    if (!(header->flags & QL_VNET_NEEDS_CSUM))
        return 0;
    uint32_t start = header->csum_start, field = start + header->csum_offset;
    if (start >= octets || field + 2 > octets)
        return -1;
    uint16_t checksum = (uint16_t)~ql_fold(ql_sum(frame + start, octets - start));
    if (checksum == 0 && header->csum_offset == QL_UDP_CHECKSUM)
        checksum = 0xFFFF; /* RFC 768: 0 would be none */
    ql_store16(frame + field, checksum);
    return 0;
}

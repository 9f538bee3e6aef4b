/* The walk over Ethernet, VLAN, IPv4 or IPv6, and TCP or UDP headers. */
#include "headers.h"

#include "sectag.h"

enum { ETHERTYPE_IPV4 = 0x0800, ETHERTYPE_IPV6 = 0x86DD };
enum {
    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_DESTINATION = 60
};

static uint32_t load_be16(const uint8_t *at)
{
    return (uint32_t)(at[0] << 8 | at[1]);
}

/* The protocol behind the header, or -1. */
static int read_ipv4(const uint8_t *frame, uint32_t octets, ql_headers *headers)
{
    const uint8_t *ip = frame + headers->network;
    uint32_t room = octets - headers->network;
    if (room < QL_IPV4_HEADER_OCTETS || ip[0] >> 4 != 4)
        return -1;
    uint32_t header = 4 * (ip[0] & 15u);
    int fragment = load_be16(ip + 6) & 0x3FFF; /* more fragments, or an offset */
    if (header < QL_IPV4_HEADER_OCTETS || header > room || load_be16(ip + 2) != room || fragment)
        return -1;
    headers->transport = headers->network + header;
    return ip[9];
}

static int read_ipv6(const uint8_t *frame, uint32_t octets, ql_headers *headers)
{
    const uint8_t *ip = frame + headers->network;
    uint32_t room = octets - headers->network;
    if (room < QL_IPV6_HEADER_OCTETS || ip[0] >> 4 != 6)
        return -1;
    if (load_be16(ip + 4) != room - QL_IPV6_HEADER_OCTETS)
        return -1;
    uint32_t at = headers->network + QL_IPV6_HEADER_OCTETS;
    uint8_t protocol = ip[6];
    while (protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING ||
           protocol == PROTOCOL_DESTINATION) {
        if (octets - at < 8 || octets - at < 8 * (frame[at + 1] + 1u))
            return -1;
        protocol = frame[at];
        at += 8 * (frame[at + 1] + 1u);
    }
    headers->transport = at;
    return protocol;
}

static int read_tcp(const uint8_t *frame, uint32_t octets, ql_headers *headers)
{
    const uint8_t *tcp = frame + headers->transport;
    uint32_t room = octets - headers->transport;
    if (room < QL_TCP_HEADER_OCTETS)
        return 0;
    uint32_t header = 4 * (tcp[12] >> 4u);
    headers->tcp = 1;
    headers->payload = headers->transport + header;
    return header >= QL_TCP_HEADER_OCTETS && header <= room;
}

static int read_udp(const uint8_t *frame, uint32_t octets, ql_headers *headers)
{
    uint32_t room = octets - headers->transport;
    headers->tcp = 0;
    headers->payload = headers->transport + QL_UDP_HEADER_OCTETS;
    return room >= QL_UDP_HEADER_OCTETS && load_be16(frame + headers->transport + 4) == room;
}

int ql_headers_read(const uint8_t *frame, uint32_t octets, ql_headers *headers)
{
    if (octets < QL_ETHERNET_HEADER_OCTETS)
        return 0;
    uint32_t addresses_and_tags = ql_header_octets(frame, octets, UINT32_MAX);
    uint16_t ethertype = ql_ethertype(frame + addresses_and_tags);
    headers->network = addresses_and_tags + 2;
    headers->ipv6 = ethertype == ETHERTYPE_IPV6;
    if (ethertype != ETHERTYPE_IPV4 && ethertype != ETHERTYPE_IPV6)
        return 0;
    int protocol = headers->ipv6 ? read_ipv6(frame, octets, headers) : read_ipv4(frame, octets, headers);
    if (protocol == PROTOCOL_TCP)
        return read_tcp(frame, octets, headers);
    return protocol == PROTOCOL_UDP && read_udp(frame, octets, headers);
}

/* Receive offload: what tcp_gro_receive, udp_gro_receive_segment and inet_gro_receive of Linux put together.
 */
#include "coalesce_api.h"

#include "checksum.h"
#include "headers.h"

#include <arpa/inet.h>

enum { TABLE = 256, NONE = 0xFF, IP_LIMIT = 65535, DONT_FRAGMENT = 0x4000 };

/* Frames that go up together; alone while there is one. */
typedef struct {
    uint64_t flow;
    const uint8_t *frame; /* the first one, whose headers are those of all */
    ql_headers headers;
    uint32_t payload_octets; /* of the first frame */
    uint32_t total_octets;   /* of payload */
    uint32_t frames;
    uint64_t pseudo_sum; /* of addresses and protocol */
    uint8_t first, last;
    uint8_t open;     /* another frame may follow */
    uint8_t verified; /* the first frame's checksums are right */
    uint8_t fixed_identification;
} run;

typedef struct {
    const ql_batch *batch;
    uint32_t kinds;
    uint32_t runs_count;
    run *latest; /* that a frame became part of; NULL where none may follow */
    run runs[QL_COALESCE_FRAMES];
    uint8_t next[QL_COALESCE_FRAMES]; /* frame of the same run */
    uint8_t table[TABLE];             /* the latest run of a flow, found by its hash */
} coalescer;

static const uint8_t *frame_at(const ql_batch *batch, uint32_t i)
{
    return batch->arena + batch->offset[i];
}

/* Frames of one flow have one number; two flows may share one, which costs no more than a super-frame. */
static uint64_t flow_of(const uint8_t *frame, const ql_headers *headers)
{
    const uint8_t *ip = frame + headers->network;
    uint64_t hash = ql_load32(frame + headers->transport) + headers->tcp;
    if (headers->ipv6)
        for (int at = 8; at < QL_IPV6_HEADER_OCTETS; at += 8)
            hash = (hash ^ ql_load64(ip + at)) * 0x9E3779B97F4A7C15u;
    else
        hash = (hash ^ ql_load64(ip + 12)) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
    return hash * 0x9E3779B97F4A7C15u;
}

/* The place in the table of a flow's latest run, or the one where it would be. */
static uint8_t *look_up(coalescer *state, uint64_t flow)
{
    uint32_t at = flow >> 56;
    while (state->table[at] != NONE && state->runs[state->table[at]].flow != flow)
        at = (at + 1) % TABLE;
    return &state->table[at];
}

/* Of what the pseudo-header has besides the length. */
static uint64_t pseudo_sum(const uint8_t *ip, const ql_headers *headers)
{
    uint64_t addresses = headers->ipv6 ? ql_sum_header(ip + 8, 32) : ql_sum_header(ip + 12, 8);
    return addresses + htons(headers->tcp ? 6 : 17);
}

/* Whether the checksums of IPv4 and of TCP or UDP are right. */
static int verify(const run *of, const uint8_t *frame, uint32_t octets)
{
    const ql_headers *headers = &of->headers;
    const uint8_t *ip = frame + headers->network, *transport = frame + headers->transport;
    uint32_t transport_octets = octets - headers->transport;
    if (!headers->ipv6 && ql_fold(ql_sum_header(ip, QL_IPV4_HEADER_OCTETS)) != 0xFFFF)
        return 0;
    uint64_t pseudo = of->pseudo_sum + htons((uint16_t)transport_octets);
    return ql_fold(pseudo + ql_sum(transport, transport_octets)) == 0xFFFF;
}

/* Whether a frame may be the first of several. */
static int may_lead(const uint8_t *frame, uint32_t octets, const ql_headers *headers, uint32_t kinds)
{
    const uint8_t *ip = frame + headers->network, *transport = frame + headers->transport;
    if (headers->payload == octets || !(kinds & (headers->tcp ? QL_COALESCE_TCP : QL_COALESCE_UDP)))
        return 0;
    if (!headers->ipv6 && (headers->transport - headers->network != QL_IPV4_HEADER_OCTETS ||
                           ql_load16(ip + 6) & ~htons(DONT_FRAGMENT)))
        return 0;
    if (headers->tcp)
        return !(transport[13] & (QL_TCP_FIN | QL_TCP_SYN | QL_TCP_RST | QL_TCP_PSH | QL_TCP_URG));
    return ql_load16(transport + QL_UDP_CHECKSUM) != 0; /* none can be verified */
}

/* Whether the IPv4 header goes on where the run is. */
static int continues_ipv4(run *to, const uint8_t *ip, uint32_t octets)
{
    const uint8_t *first = to->frame + to->headers.network;
    /* Version, header length and type of service; flags, time to live and protocol; addresses. */
    if (ql_load16(ip) != ql_load16(first) || ql_load16(ip + 2) != htons((uint16_t)octets) ||
        ql_load32(ip + 6) != ql_load32(first + 6) || ql_load64(ip + 12) != ql_load64(first + 12))
        return 0;
    uint16_t distance = (uint16_t)(ntohs(ql_load16(ip + 4)) - ntohs(ql_load16(first + 4)));
    /* Those that are never fragmented may all have the same identification (RFC 6864). */
    if (to->frames == 1)
        to->fixed_identification = distance == 0 && ql_load16(ip + 6) == htons(DONT_FRAGMENT);
    return distance == (to->fixed_identification ? 0 : to->frames);
}

/* All but the payload length is the same, extension headers too. */
static int continues_ipv6(const run *to, const uint8_t *ip, uint32_t octets)
{
    const uint8_t *first = to->frame + to->headers.network;
    uint32_t header_octets = to->headers.transport - to->headers.network;
    return ql_load32(ip) == ql_load32(first) &&
           ql_load16(ip + 4) == htons((uint16_t)(octets - QL_IPV6_HEADER_OCTETS)) &&
           memcmp(ip + 6, first + 6, header_octets - 6) == 0;
}

static int continues_tcp(const run *to, const uint8_t *tcp)
{
    const uint8_t *first = to->frame + to->headers.transport;
    uint32_t header_octets = to->headers.payload - to->headers.transport;
    uint32_t expected = ntohl(ql_load32(first + 4)) + to->total_octets;
    uint8_t flags = tcp[13] ^ first[13];
    if (ql_load32(tcp) != ql_load32(first) || ntohl(ql_load32(tcp + 4)) != expected ||
        ql_load32(tcp + 8) != ql_load32(first + 8))
        return 0;
    if (tcp[13] & QL_TCP_CWR || flags & ~(QL_TCP_CWR | QL_TCP_FIN | QL_TCP_PSH))
        return 0;
    /* Header length, window, urgent pointer and options. */
    return tcp[12] == first[12] && ql_load16(tcp + 14) == ql_load16(first + 14) &&
           memcmp(tcp + 18, first + 18, header_octets - 18) == 0;
}

static int continues_udp(const run *to, const uint8_t *udp, uint32_t octets)
{
    return ql_load32(udp) == ql_load32(to->frame + to->headers.transport) &&
           ql_load16(udp + 4) == htons((uint16_t)octets) && ql_load16(udp + QL_UDP_CHECKSUM) != 0;
}

/* Whether a frame is what has to come next. One that is has headers like those of the first frame, so its own
   need not have been read. */
static int continues(run *to, const uint8_t *frame, uint32_t octets)
{
    const ql_headers *headers = &to->headers;
    uint32_t payload_octets = octets - headers->payload;
    if (octets <= headers->payload || payload_octets > to->payload_octets ||
        octets - headers->network + to->total_octets > IP_LIMIT ||
        memcmp(frame, to->frame, headers->network) != 0)
        return 0;
    const uint8_t *ip = frame + headers->network, *transport = frame + headers->transport;
    uint32_t ip_octets = octets - headers->network;
    if (!(headers->ipv6 ? continues_ipv6(to, ip, ip_octets) : continues_ipv4(to, ip, ip_octets)))
        return 0;
    return headers->tcp ? continues_tcp(to, transport)
                        : continues_udp(to, transport, octets - headers->transport);
}

/* Appends frame i to the run where it belongs there. */
static int append(coalescer *state, run *to, uint32_t i)
{
    const uint8_t *frame = frame_at(state->batch, i);
    uint32_t octets = state->batch->length[i], payload_octets = octets - to->headers.payload;
    if (!to->open || !continues(to, frame, octets))
        return 0;
    if (!to->verified && !verify(to, to->frame, to->headers.payload + to->payload_octets))
        return 0;
    to->verified = 1;
    if (!verify(to, frame, octets))
        return 0;
    state->next[to->last] = (uint8_t)i;
    to->last = (uint8_t)i;
    to->frames++;
    to->total_octets += payload_octets;
    int ends = to->headers.tcp && frame[to->headers.transport + 13] & (QL_TCP_FIN | QL_TCP_PSH);
    to->open = payload_octets == to->payload_octets && !ends;
    state->latest = to;
    return 1;
}

static run *begin(coalescer *state, uint32_t i)
{
    run *made = &state->runs[state->runs_count++];
    memset(made, 0, sizeof *made);
    made->frame = frame_at(state->batch, i);
    made->first = made->last = (uint8_t)i;
    made->frames = 1;
    return made;
}

static void take(coalescer *state, uint32_t i)
{
    const uint8_t *frame = frame_at(state->batch, i);
    uint32_t octets = state->batch->length[i];
    ql_headers headers;
    if (state->latest != NULL && append(state, state->latest, i))
        return; /* as most do; the rest only finds the run */
    if (!ql_headers_read(frame, octets, &headers)) {
        memset(state->table, NONE, sizeof state->table); /* nothing that comes later may overtake it */
        begin(state, i);
        state->latest = NULL;
        return;
    }
    uint64_t flow = flow_of(frame, &headers);
    uint8_t *place = look_up(state, flow);
    if (*place != NONE && append(state, &state->runs[*place], i))
        return;
    *place = (uint8_t)state->runs_count;
    run *made = begin(state, i);
    made->flow = flow;
    made->headers = headers;
    made->payload_octets = made->total_octets = octets - headers.payload;
    made->pseudo_sum = pseudo_sum(frame + headers.network, &headers);
    made->open = may_lead(frame, octets, &headers, state->kinds);
    state->latest = made;
}

/* Makes the first frame's headers those of the super-frame, and returns what the kernel is told of it. */
static ql_vnet_header finish(const run *whole, uint8_t *frame, const uint8_t *last)
{
    const ql_headers *headers = &whole->headers;
    uint8_t *ip = frame + headers->network, *transport = frame + headers->transport;
    uint32_t octets = headers->payload + whole->total_octets;
    uint16_t transport_octets = htons((uint16_t)(octets - headers->transport));
    if (headers->ipv6) {
        ql_store16(ip + 4, htons((uint16_t)(octets - headers->network - QL_IPV6_HEADER_OCTETS)));
    } else {
        ql_store16(ip + 2, htons((uint16_t)(octets - headers->network)));
        ql_store16(ip + 10, 0);
        ql_store16(ip + 10, (uint16_t)~ql_fold(ql_sum_header(ip, QL_IPV4_HEADER_OCTETS)));
    }
    ql_vnet_header header = {
        .flags = QL_VNET_NEEDS_CSUM,
        .gso_type = QL_VNET_GSO_UDP_L4,
        .hdr_len = (uint16_t)headers->payload,
        .gso_size = (uint16_t)whole->payload_octets,
        .csum_start = (uint16_t)headers->transport,
        .csum_offset = headers->tcp ? QL_TCP_CHECKSUM : QL_UDP_CHECKSUM,
    };
    if (headers->tcp) {
        header.gso_type = headers->ipv6 ? QL_VNET_GSO_TCPV6 : QL_VNET_GSO_TCPV4;
        if (transport[13] & QL_TCP_CWR)
            header.gso_type |= QL_VNET_GSO_ECN;
        transport[13] |= last[headers->transport + 13] & (QL_TCP_FIN | QL_TCP_PSH);
    } else {
        ql_store16(transport + 4, transport_octets);
    }
    ql_store16(transport + header.csum_offset, ql_fold(whole->pseudo_sum + transport_octets));
    return header;
}

/* Lists the frames of a run as pieces: the first with the header in front, of the others the payload. */
static void list(const coalescer *state, const run *whole, ql_coalesced *coalesced, uint32_t piece)
{
    const ql_batch *batch = state->batch;
    uint32_t first = whole->first, frame = first;
    uint8_t *octets = batch->arena + batch->offset[first];
    ql_vnet_header header = {0};
    if (whole->frames > 1)
        header = finish(whole, octets, frame_at(batch, whole->last));
    memcpy(octets - QL_VNET_HEADER_OCTETS, &header, QL_VNET_HEADER_OCTETS);
    coalesced->offset[piece] = batch->offset[first] - QL_VNET_HEADER_OCTETS;
    coalesced->length[piece] = batch->length[first] + QL_VNET_HEADER_OCTETS;
    ql_super_frame *super_frame = &coalesced->super_frames[coalesced->count++];
    *super_frame = (ql_super_frame){
        .first = piece,
        .pieces = whole->frames,
        .octets = batch->length[first],
        .frame_octets = batch->length[first],
    };
    for (uint32_t i = 1; i < whole->frames; i++) {
        frame = state->next[frame];
        coalesced->offset[piece + i] = batch->offset[frame] + whole->headers.payload;
        coalesced->length[piece + i] = batch->length[frame] - whole->headers.payload;
        super_frame->octets += coalesced->length[piece + i];
        super_frame->frame_octets += batch->length[frame];
    }
}

void ql_coalesce(const ql_batch *batch, uint32_t kinds, ql_coalesced *coalesced)
{
    coalescer state;
    state.batch = batch;
    state.kinds = kinds;
    state.runs_count = 0;
    state.latest = NULL;
    memset(state.table, NONE, sizeof state.table);
    for (uint32_t i = 0; i < batch->count; i++)
        take(&state, i);
    coalesced->count = 0;
    uint32_t piece = 0;
    for (uint32_t i = 0; i < state.runs_count; i++) {
        list(&state, &state.runs[i], coalesced, piece);
        piece += state.runs[i].frames;
    }
}

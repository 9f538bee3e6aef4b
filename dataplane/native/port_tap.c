/* A TAP device with offload (IFF_VNET_HDR): a virtio_net_hdr goes in front of each frame, and one read or
   write may move a super-frame of up to 64 KiB. */
#include "checksum.h"
#include "coalesce_api.h"
#include "count.h"
#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert((int)QL_BURST <= (int)QL_COALESCE_FRAMES, "a burst is put together whole");
_Static_assert((int)QL_HEADROOM >= (int)QL_VNET_HEADER_OCTETS, "the header fits in front of a frame");

typedef struct {
    ql_port port;
    uint32_t kinds; /* ql_coalesce: of super-frames that the kernel takes */
} tap_port;

/* Pushes segments until the burst is full; whether the super-frame has more. */
static int cut(ql_scratch *scratch)
{
    ql_burst *burst = &scratch->burst;
    while (burst->count < QL_BURST) {
        uint32_t octets = ql_segment_next(&scratch->segmenter, ql_burst_slot(burst));
        if (octets == 0)
            return 0;
        ql_burst_push(burst, octets);
    }
    return ql_segments_left(&scratch->segmenter) > 0;
}

/* Begins with the super-frame that was read. */
static int begin(ql_scratch *scratch, const ql_vnet_header *header, uint32_t octets, uint64_t *counters)
{
    int error = ql_segment_begin(&scratch->segmenter, header, scratch->super_frame + QL_VNET_HEADER_OCTETS,
                                 octets, ql_burst_room(&scratch->burst));
    if (error == 0)
        ql_count(&counters[QL_WIRE_TX_SUPER_FRAMES], 1);
    else
        ql_count(&counters[error == QL_SEGMENT_TOO_LONG ? QL_WIRE_DROP_TOO_LONG : QL_WIRE_DROP_SEGMENT], 1);
    return error;
}

static void push_frame(ql_scratch *scratch, const ql_vnet_header *header, uint32_t octets, uint64_t *counters)
{
    ql_burst *burst = &scratch->burst;
    uint32_t room = ql_burst_room(burst);
    memcpy(ql_burst_slot(burst), scratch->super_frame + QL_VNET_HEADER_OCTETS, octets < room ? octets : room);
    if (octets > room)
        ql_burst_push(burst, room); /* too long for the wire, which counts it */
    else if (ql_checksum_complete(header, ql_burst_slot(burst), octets) < 0)
        ql_count(&counters[QL_WIRE_DROP_SEGMENT], 1);
    else
        ql_burst_push(burst, octets);
}

static enum ql_received receive(ql_port *port, ql_scratch *scratch, uint64_t *counters)
{
    ql_burst *burst = &scratch->burst;
    if (ql_segments_left(&scratch->segmenter) > 0)
        return cut(scratch) ? QL_PORT_REST : QL_PORT_MORE;
    while (burst->count < QL_BURST) {
        ssize_t octets = read(port->fd, scratch->super_frame, QL_SUPER_FRAME_OCTETS);
        if (octets < 0 && errno == EINTR)
            continue;
        if (octets < 0 && (errno == EAGAIN || errno == EIO)) /* EIO: the device is down */
            return QL_PORT_EMPTY;
        if (octets < QL_VNET_HEADER_OCTETS)
            return QL_PORT_GONE;
        octets -= QL_VNET_HEADER_OCTETS;
        ql_vnet_header header;
        memcpy(&header, scratch->super_frame, sizeof header);
        if (header.gso_type == QL_VNET_GSO_NONE) {
            push_frame(scratch, &header, (uint32_t)octets, counters);
            continue;
        }
        if (begin(scratch, &header, (uint32_t)octets, counters) != 0)
            continue;
        /* Whole in one burst, if it can be: so the far end can put it together again. */
        if (burst->count > 0 && ql_segments_left(&scratch->segmenter) > QL_BURST - burst->count)
            return QL_PORT_REST;
        if (cut(scratch))
            return QL_PORT_REST;
    }
    return QL_PORT_MORE;
}

/* Writes a frame or a super-frame in one call; -1 where the device refuses it. */
static int write_pieces(int fd, const ql_burst *burst, const ql_coalesced *coalesced,
                        const ql_super_frame *what)
{
    struct iovec parts[QL_BURST];
    for (uint32_t i = 0; i < what->pieces; i++)
        parts[i] = (struct iovec){burst->arena + coalesced->offset[what->first + i],
                                  coalesced->length[what->first + i]};
    ssize_t octets;
    do {
        octets = what->pieces == 1 ? write(fd, parts->iov_base, parts->iov_len)
                                   : writev(fd, parts, (int)what->pieces);
    } while (octets < 0 && errno == EINTR);
    return octets < 0 ? -1 : 0;
}

static void send_frames(ql_port *port, ql_scratch *scratch, uint64_t *counters)
{
    ql_coalesced coalesced;
    ql_batch batch = ql_burst_batch(&scratch->burst);
    ql_coalesce(&batch, ((const tap_port *)port)->kinds, &coalesced);
    for (uint32_t i = 0; i < coalesced.count; i++) {
        const ql_super_frame *what = &coalesced.super_frames[i];
        if (write_pieces(port->fd, &scratch->burst, &coalesced, what) < 0) {
            ql_count(&counters[QL_WIRE_DROP_PORT], what->pieces);
            continue;
        }
        ql_count(&counters[QL_WIRE_RX_FRAMES], what->pieces);
        ql_count(&counters[QL_WIRE_RX_OCTETS], what->frame_octets);
        if (what->pieces > 1)
            ql_count(&counters[QL_WIRE_RX_SUPER_FRAMES], 1);
    }
}

static void free_port(ql_port *port)
{
    free(port);
}

ql_port *ql_port_new_tap(int fd, uint32_t kinds)
{
    static const ql_port_operations operations = {receive, send_frames, free_port};
    tap_port *tap = malloc(sizeof *tap);
    if (tap == NULL)
        return NULL;
    *tap = (tap_port){{&operations, fd}, kinds};
    return &tap->port;
}

/* An AF_XDP socket as a port: frames are copied between the burst and the UMEM, a burst at a time. */
#include "count.h"
#include "port.h"
#include "xdp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef struct {
    ql_port port;
    ql_xdp_socket socket;
    /* The rest is the sender's. */
    uint64_t free_chunks[QL_XDP_TRANSMIT_CHUNKS];
    uint32_t free_count;
    int down; /* the device was when frames were last handed over */
} xdp_port;

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static enum ql_received receive(ql_port *port, ql_scratch *scratch, uint64_t *counters)
{
    (void)counters;
    ql_xdp_socket *xdp = &((xdp_port *)port)->socket;
    ql_burst *burst = &scratch->burst;
    uint32_t waiting = ql_xdp_ring_used(&xdp->receive);
    uint32_t taken = least(waiting, QL_BURST - burst->count);
    for (uint32_t i = 0; i < taken; i++) {
        const struct xdp_desc *frame = ql_xdp_descriptor(&xdp->receive, *xdp->receive.consumer + i);
        uint32_t octets = least(frame->len, ql_burst_room(burst));
        memcpy(ql_burst_slot(burst), xdp->umem + frame->addr, octets);
        ql_burst_push(burst, octets);
        uint64_t chunk = frame->addr & ~((uint64_t)QL_XDP_CHUNK_OCTETS - 1);
        *ql_xdp_address(&xdp->fill, *xdp->fill.producer + i) = chunk;
    }
    ql_xdp_advance(xdp->receive.consumer, taken);
    ql_xdp_advance(xdp->fill.producer, taken);
    if (ql_xdp_needs_wakeup(&xdp->fill))
        recv(xdp->fd, NULL, 0, MSG_DONTWAIT); /* it has run out of chunks */
    return taken < waiting ? QL_PORT_MORE : QL_PORT_EMPTY;
}

/* Takes back the chunks of frames that have gone. */
static void reclaim(xdp_port *port)
{
    ql_xdp_ring *completion = &port->socket.completion;
    uint32_t gone = ql_xdp_ring_used(completion);
    for (uint32_t i = 0; i < gone; i++)
        port->free_chunks[port->free_count++] = *ql_xdp_address(completion, *completion->consumer + i);
    ql_xdp_advance(completion->consumer, gone);
}

/* Has the kernel send what is in the ring, as far as it gets on, and finds out whether the device is up. */
static void kick(xdp_port *port)
{
    const ql_xdp_ring *transmit = &port->socket.transmit;
    uint32_t before, left = ql_xdp_ring_used(transmit);
    if ((left == 0 && !port->down) || !ql_xdp_needs_wakeup(transmit))
        return;
    do {
        before = left;
        port->down = send(port->socket.fd, NULL, 0, MSG_DONTWAIT) < 0 && errno == ENETDOWN;
        left = ql_xdp_ring_used(transmit);
    } while (0 < left && left < before);
}

/* Puts a frame into the ring, `ahead` behind those that the kernel knows of; whether there was room. */
static int put(xdp_port *port, uint32_t ahead, const uint8_t *frame, uint32_t octets)
{
    ql_xdp_socket *xdp = &port->socket;
    if (port->free_count == 0 || octets > QL_XDP_CHUNK_OCTETS)
        return 0;
    uint64_t chunk = port->free_chunks[--port->free_count];
    memcpy(xdp->umem + chunk, frame, octets);
    *ql_xdp_descriptor(&xdp->transmit, *xdp->transmit.producer + ahead) =
        (struct xdp_desc){.addr = chunk, .len = octets};
    return 1;
}

static void send_frames(ql_port *port, ql_scratch *scratch, uint64_t *counters)
{
    xdp_port *self = (xdp_port *)port;
    const ql_burst *burst = &scratch->burst;
    if (self->down)
        kick(self); /* so at most one burst waits for the device to come up, and comes late */
    reclaim(self);
    uint32_t sent = 0;
    uint64_t octets = 0;
    for (uint32_t i = 0; i < burst->count && !self->down; i++) {
        if (!put(self, sent, ql_burst_frame(burst, i), burst->length[i]))
            continue;
        octets += burst->length[i];
        sent++;
    }
    ql_xdp_advance(self->socket.transmit.producer, sent);
    kick(self);
    ql_count(&counters[QL_WIRE_RX_FRAMES], sent);
    ql_count(&counters[QL_WIRE_RX_OCTETS], octets);
    ql_count(&counters[QL_WIRE_DROP_PORT], burst->count - sent);
}

static void free_port(ql_port *port)
{
    ql_xdp_close(&((xdp_port *)port)->socket);
    free(port);
}

ql_port *ql_port_new_xdp(uint32_t ifindex, const char **refused)
{
    static const ql_port_operations operations = {receive, send_frames, free_port};
    *refused = "memory";
    xdp_port *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    if (ql_xdp_open(&self->socket, ifindex, refused) < 0) {
        int error = errno;
        free(self);
        errno = error;
        return NULL;
    }
    self->port = (ql_port){&operations, self->socket.fd};
    for (uint64_t i = 0; i < QL_XDP_TRANSMIT_CHUNKS; i++)
        self->free_chunks[self->free_count++] = (QL_XDP_RECEIVE_CHUNKS + i) * QL_XDP_CHUNK_OCTETS;
    return &self->port;
}

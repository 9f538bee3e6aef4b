/* A port that takes and delivers one frame a call: TAP devices without offload, sockets that keep messages.
 */
#include "count.h"
#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static enum ql_received receive(ql_port *port, ql_scratch *scratch, uint64_t *counters)
{
    (void)counters;
    ql_burst *burst = &scratch->burst;
    while (burst->count < QL_BURST) {
        ssize_t octets = read(port->fd, ql_burst_slot(burst), ql_burst_room(burst));
        if (octets < 0 && errno == EINTR)
            continue;
        if (octets < 0 && (errno == EAGAIN || errno == EIO)) /* EIO: a TAP device that is down */
            return QL_PORT_EMPTY;
        if (octets <= 0)
            return QL_PORT_GONE;
        ql_burst_push(burst, (uint32_t)octets);
    }
    return QL_PORT_MORE;
}

static void send_frames(ql_port *port, ql_scratch *scratch, uint64_t *counters)
{
    const ql_burst *burst = &scratch->burst;
    for (uint32_t i = 0; i < burst->count; i++) {
        ssize_t octets;
        do {
            octets = write(port->fd, ql_burst_frame(burst, i), burst->length[i]);
        } while (octets < 0 && errno == EINTR);
        if (octets < 0) {
            ql_count(&counters[QL_WIRE_DROP_PORT], 1);
        } else {
            ql_count(&counters[QL_WIRE_RX_FRAMES], 1);
            ql_count(&counters[QL_WIRE_RX_OCTETS], burst->length[i]);
        }
    }
}

static void free_port(ql_port *port)
{
    free(port);
}

ql_port *ql_port_new_packet(int fd)
{
    static const ql_port_operations operations = {receive, send_frames, free_port};
    ql_port *port = malloc(sizeof *port);
    if (port != NULL)
        *port = (ql_port){&operations, fd};
    return port;
}

void ql_port_free(ql_port *port)
{
    if (port != NULL)
        port->operations->free(port);
}

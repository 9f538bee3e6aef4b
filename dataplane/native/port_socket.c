/* A packet socket (AF_PACKET) on a device as a port, for kernels without AF_XDP: a burst a system call. The
   kernel takes the outermost VLAN tag of what it receives out of the frame; it is put back here. */
#include "count.h"
#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ADDRESSES_OCTETS = 2 * ETH_ALEN,
    VLAN_TAG_OCTETS = 4,
    RECEIVE_BUFFER_OCTETS = 4 << 20, /* some thousand frames with their skbs */
    CONTROL_OCTETS = CMSG_SPACE(sizeof(struct tpacket_auxdata)),
};

typedef struct {
    struct mmsghdr messages[QL_BURST];
    struct iovec frames[QL_BURST];
} messages;

typedef struct {
    ql_port port;
    messages in, out; /* the receiver's and the sender's */
    _Alignas(struct cmsghdr) uint8_t control[QL_BURST][CONTROL_OCTETS];
} socket_port;

/* The auxiliary data of a frame where a VLAN tag was taken out of it, or NULL. */
static const struct tpacket_auxdata *taken_tag(struct msghdr *message)
{
    const struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (header == NULL || header->cmsg_level != SOL_PACKET || header->cmsg_type != PACKET_AUXDATA)
        return NULL;
    const struct tpacket_auxdata *auxiliary = (const void *)CMSG_DATA(header);
    return auxiliary->tp_status & TP_STATUS_VLAN_VALID ? auxiliary : NULL;
}

/* Puts a tag into the burst's last frame, which then begins in its headroom. */
static void put_tag_back(ql_burst *burst, const struct tpacket_auxdata *auxiliary)
{
    uint32_t last = burst->count - 1;
    uint16_t tpid = auxiliary->tp_status & TP_STATUS_VLAN_TPID_VALID ? auxiliary->tp_vlan_tpid : ETH_P_8021Q;
    const uint16_t tag[] = {htons(tpid), htons(auxiliary->tp_vlan_tci)};
    burst->offset[last] -= VLAN_TAG_OCTETS;
    burst->length[last] += VLAN_TAG_OCTETS;
    uint8_t *frame = ql_burst_frame(burst, last);
    memmove(frame, frame + VLAN_TAG_OCTETS, ADDRESSES_OCTETS);
    memcpy(frame + ADDRESSES_OCTETS, tag, sizeof tag);
}

static enum ql_received receive(ql_port *port, ql_scratch *scratch, uint64_t *counters)
{
    (void)counters;
    socket_port *self = (socket_port *)port;
    ql_burst *burst = &scratch->burst;
    uint32_t room = QL_BURST - burst->count;
    for (uint32_t i = 0; i < room; i++) {
        uint8_t *slot = burst->arena + ql_burst_offset(burst, burst->count + i);
        self->in.frames[i] = (struct iovec){slot, ql_burst_room(burst)};
        self->in.messages[i].msg_hdr = (struct msghdr){.msg_iov = &self->in.frames[i],
                                                       .msg_iovlen = 1,
                                                       .msg_control = self->control[i],
                                                       .msg_controllen = CONTROL_OCTETS};
    }
    int frames = recvmmsg(port->fd, self->in.messages, room, MSG_DONTWAIT, NULL);
    for (int i = 0; i < frames; i++) {
        ql_burst_push(burst, self->in.messages[i].msg_len);
        const struct tpacket_auxdata *auxiliary = taken_tag(&self->in.messages[i].msg_hdr);
        if (auxiliary != NULL && burst->length[burst->count - 1] >= ADDRESSES_OCTETS)
            put_tag_back(burst, auxiliary);
    }
    return frames == (int)room ? QL_PORT_MORE : QL_PORT_EMPTY;
}

static void send_frames(ql_port *port, ql_scratch *scratch, uint64_t *counters)
{
    socket_port *self = (socket_port *)port;
    const ql_burst *burst = &scratch->burst;
    for (uint32_t i = 0; i < burst->count; i++) {
        self->out.frames[i] = (struct iovec){ql_burst_frame(burst, i), burst->length[i]};
        self->out.messages[i].msg_hdr = (struct msghdr){.msg_iov = &self->out.frames[i], .msg_iovlen = 1};
    }
    uint32_t tried = 0, sent = 0;
    int telling = 1; /* that the device was down is told once after it is up again */
    while (tried < burst->count) {
        int taken = sendmmsg(port->fd, self->out.messages + tried, burst->count - tried, MSG_DONTWAIT);
        if (taken < 0 && (errno == EINTR || (errno == ENETDOWN && telling-- > 0)))
            continue;
        uint64_t octets = 0;
        for (int i = 0; i < taken; i++)
            octets += burst->length[tried + (uint32_t)i];
        ql_count(&counters[QL_WIRE_RX_OCTETS], octets);
        sent += taken > 0 ? (uint32_t)taken : 0;
        tried += taken > 0 ? (uint32_t)taken : 1; /* the first of them was refused */
    }
    ql_count(&counters[QL_WIRE_RX_FRAMES], sent);
    ql_count(&counters[QL_WIRE_DROP_PORT], burst->count - sent);
}

static void free_port(ql_port *port)
{
    close(port->fd);
    free(port);
}

/* What the kernel refused, NULL where all was done. */
static const char *set_up(int fd, uint32_t ifindex)
{
    const int on = 1, buffer = RECEIVE_BUFFER_OCTETS;
    if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) < 0)
        return "an option of the packet socket";
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer); /* it works with less, too */
    const struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex};
    return bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ? "a place on the device" : NULL;
}

ql_port *ql_port_new_socket(uint32_t ifindex, const char **refused)
{
    static const ql_port_operations operations = {receive, send_frames, free_port};
    *refused = "memory";
    socket_port *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* no protocol: it hears nothing before bind */
    *refused = fd < 0 ? "a packet socket" : set_up(fd, ifindex);
    if (*refused != NULL) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        free(self);
        errno = error;
        return NULL;
    }
    self->port = (ql_port){&operations, fd};
    return &self->port;
}

/* Opens and closes AF_XDP sockets: bpf(2) for map, program and link, setsockopt(2) for UMEM and rings. */
#include "xdp.h"

#include "port_api.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    QUEUE = 0,
    SEND_BUFFER_OCTETS = 16 << 20, /* a frame that is sent counts here with its skb */
    FRAMES_A_SEND = 64,            /* QL_BURST */
    MAX_TX_SKB_BUDGET = 9,         /* XDP_MAX_TX_SKB_BUDGET, which older headers lack */
};

_Static_assert(QL_XDP_FRAME_OCTETS == QL_XDP_CHUNK_OCTETS - XDP_PACKET_HEADROOM, "a frame fills a chunk");

static int bpf(int command, union bpf_attr *attributes)
{
    return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

/* The map from a receive queue to the socket that gets its frames. */
static int make_map(int socket_fd)
{
    union bpf_attr map = {
        .map_type = BPF_MAP_TYPE_XSKMAP,
        .key_size = sizeof(uint32_t),
        .value_size = sizeof(uint32_t),
        .max_entries = QUEUE + 1,
    };
    int map_fd = bpf(BPF_MAP_CREATE, &map);
    if (map_fd < 0)
        return -1;
    uint32_t queue = QUEUE;
    union bpf_attr entry = {
        .map_fd = (uint32_t)map_fd, .key = (uintptr_t)&queue, .value = (uintptr_t)&socket_fd};
    if (bpf(BPF_MAP_UPDATE_ELEM, &entry) == 0)
        return map_fd;
    close(map_fd);
    return -1;
}

/* return bpf_redirect_map(map, ctx->rx_queue_index, XDP_PASS): a queue without a socket goes to the kernel.
 */
static int load_program(int map_fd)
{
    const struct bpf_insn program[] = {
        {BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, rx_queue_index), 0},
        {BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd},
        {0, 0, 0, 0, 0}, /* the second half of that constant of 64 bits */
        {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, XDP_PASS},
        {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    };
    union bpf_attr load = {
        .prog_type = BPF_PROG_TYPE_XDP,
        .insns = (uintptr_t)program,
        .insn_cnt = sizeof program / sizeof *program,
        .license = (uintptr_t)"Apache-2.0",
    };
    return bpf(BPF_PROG_LOAD, &load);
}

/* In the driver where it can, else, slower, where the kernel has made an skb of the frame. */
static int attach(int program_fd, uint32_t ifindex)
{
    const uint32_t modes[] = {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};
    int link_fd = -1;
    for (int i = 0; i < 2 && link_fd < 0; i++) {
        union bpf_attr link = {.link_create = {.prog_fd = (uint32_t)program_fd,
                                               .target_ifindex = ifindex,
                                               .attach_type = BPF_XDP,
                                               .flags = modes[i]}};
        link_fd = bpf(BPF_LINK_CREATE, &link);
    }
    return link_fd;
}

static int make_umem(ql_xdp_socket *xdp)
{
    const uint64_t octets = (uint64_t)QL_XDP_CHUNK_OCTETS * (QL_XDP_RECEIVE_CHUNKS + QL_XDP_TRANSMIT_CHUNKS);
    void *umem = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (umem == MAP_FAILED)
        return -1;
    xdp->umem = umem;
    xdp->umem_octets = octets;
    struct xdp_umem_reg registration = {
        .addr = (uintptr_t)umem, .len = octets, .chunk_size = QL_XDP_CHUNK_OCTETS};
    return setsockopt(xdp->fd, SOL_XDP, XDP_UMEM_REG, &registration, sizeof registration);
}

static int map_ring(ql_xdp_socket *xdp, ql_xdp_ring *ring, const struct xdp_ring_offset *offset,
                    uint64_t page_offset, uint32_t entries, uint32_t entry_octets)
{
    uint64_t octets = offset->desc + (uint64_t)entries * entry_octets;
    void *map =
        mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, xdp->fd, (off_t)page_offset);
    if (map == MAP_FAILED)
        return -1;
    uint8_t *start = map;
    *ring = (ql_xdp_ring){
        .producer = (uint32_t *)(start + offset->producer),
        .consumer = (uint32_t *)(start + offset->consumer),
        .flags = (uint32_t *)(start + offset->flags),
        .entries = start + offset->desc,
        .mask = entries - 1,
        .map = map,
        .map_octets = octets,
    };
    return 0;
}

static int make_rings(ql_xdp_socket *xdp)
{
    const uint32_t receive = QL_XDP_RECEIVE_CHUNKS, transmit = QL_XDP_TRANSMIT_CHUNKS;
    struct xdp_mmap_offsets offsets;
    socklen_t octets = sizeof offsets;
    int failed = setsockopt(xdp->fd, SOL_XDP, XDP_UMEM_FILL_RING, &receive, sizeof receive) < 0 ||
                 setsockopt(xdp->fd, SOL_XDP, XDP_RX_RING, &receive, sizeof receive) < 0 ||
                 setsockopt(xdp->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &transmit, sizeof transmit) < 0 ||
                 setsockopt(xdp->fd, SOL_XDP, XDP_TX_RING, &transmit, sizeof transmit) < 0 ||
                 getsockopt(xdp->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &octets) < 0;
    const uint32_t address = sizeof(uint64_t), descriptor = sizeof(struct xdp_desc);
    return failed || map_ring(xdp, &xdp->fill, &offsets.fr, XDP_UMEM_PGOFF_FILL_RING, receive, address) < 0 ||
                   map_ring(xdp, &xdp->receive, &offsets.rx, XDP_PGOFF_RX_RING, receive, descriptor) < 0 ||
                   map_ring(xdp, &xdp->completion, &offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING, transmit,
                            address) < 0 ||
                   map_ring(xdp, &xdp->transmit, &offsets.tx, XDP_PGOFF_TX_RING, transmit, descriptor) < 0
               ? -1
               : 0;
}

/* What a socket sends in copy mode it sends as skbs: room for all chunks, and a burst of them a call. Neither
   is needed, so a kernel that refuses may. */
static void tune(int fd)
{
    const int buffer = SEND_BUFFER_OCTETS, frames = FRAMES_A_SEND;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
    setsockopt(fd, SOL_XDP, MAX_TX_SKB_BUDGET, &frames, sizeof frames);
}

static void offer_chunks(ql_xdp_socket *xdp)
{
    for (uint32_t i = 0; i < QL_XDP_RECEIVE_CHUNKS; i++)
        *ql_xdp_address(&xdp->fill, i) = (uint64_t)i * QL_XDP_CHUNK_OCTETS;
    ql_xdp_advance(xdp->fill.producer, QL_XDP_RECEIVE_CHUNKS);
}

/* What the kernel refused of it, NULL where all was done. */
static const char *open_all(ql_xdp_socket *xdp, uint32_t ifindex)
{
    if ((xdp->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)) < 0)
        return "an AF_XDP socket";
    if (make_umem(xdp) < 0)
        return "memory for frames";
    if (make_rings(xdp) < 0)
        return "rings";
    tune(xdp->fd);
    offer_chunks(xdp);
    struct sockaddr_xdp address = {.sxdp_family = AF_XDP,
                                   .sxdp_ifindex = ifindex,
                                   .sxdp_queue_id = QUEUE,
                                   .sxdp_flags = XDP_USE_NEED_WAKEUP};
    if (bind(xdp->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return "a place at the device's queue";
    if ((xdp->map_fd = make_map(xdp->fd)) < 0)
        return "a map of AF_XDP sockets";
    if ((xdp->program_fd = load_program(xdp->map_fd)) < 0)
        return "an XDP program";
    if ((xdp->link_fd = attach(xdp->program_fd, ifindex)) < 0)
        return "an XDP program on the device";
    return NULL;
}

int ql_xdp_open(ql_xdp_socket *xdp, uint32_t ifindex, const char **refused)
{
    *xdp = (ql_xdp_socket){.fd = -1, .map_fd = -1, .program_fd = -1, .link_fd = -1};
    *refused = open_all(xdp, ifindex);
    if (*refused == NULL)
        return 0;
    int error = errno;
    ql_xdp_close(xdp);
    errno = error;
    return -1;
}

void ql_xdp_close(ql_xdp_socket *xdp)
{
    const int descriptors[] = {xdp->link_fd, xdp->program_fd, xdp->map_fd, xdp->fd};
    const ql_xdp_ring *const rings[] = {&xdp->fill, &xdp->receive, &xdp->completion, &xdp->transmit};
    for (int i = 0; i < 4; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    for (int i = 0; i < 4; i++)
        if (rings[i]->map != NULL)
            munmap(rings[i]->map, rings[i]->map_octets);
    if (xdp->umem != NULL)
        munmap(xdp->umem, xdp->umem_octets);
}

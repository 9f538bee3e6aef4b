/* An AF_XDP socket in copy or zero-copy mode with its UMEM and rings (Documentation/networking/af_xdp.rst of
   Linux), and the XDP program that sends it what receive queue 0 of a device receives. Needs neither libxdp
   nor libbpf nor a file system for pinned objects. Left out: several queues, shared UMEM, frames in several
   buffers, metadata. */
#pragma once
#include <linux/if_xdp.h>
#include <stdint.h>

/* Powers of two. A chunk is a page, the longest there may be, and a TAP device queues 1000 frames, too. */
enum { QL_XDP_RECEIVE_CHUNKS = 1024, QL_XDP_TRANSMIT_CHUNKS = 512, QL_XDP_CHUNK_OCTETS = 4096 };

/* A ring with one producer and one consumer, one of which is the kernel. */
typedef struct {
    uint32_t *producer;
    uint32_t *consumer;
    uint32_t *flags;
    void *entries; /* uint64_t addresses for fill and completion, struct xdp_desc for receive and transmit */
    uint32_t mask;
    void *map;
    uint64_t map_octets;
} ql_xdp_ring;

/* UMEM chunks [0, QL_XDP_RECEIVE_CHUNKS) go round through fill and receive, the others through transmit and
   completion. */
typedef struct {
    int fd;
    int map_fd;
    int program_fd;
    int link_fd; /* the kernel detaches the program when it is closed */
    uint8_t *umem;
    uint64_t umem_octets;
    ql_xdp_ring fill, receive, transmit, completion;
} ql_xdp_socket;

/* Opens a socket on queue 0 of a device of the calling thread's network namespace. -1 with errno set, and
   `*refused` saying what the kernel refused; nothing is left open then. */
int ql_xdp_open(ql_xdp_socket *xdp, uint32_t ifindex, const char **refused);
void ql_xdp_close(ql_xdp_socket *xdp);

/* Entries that the consumer has not taken. */
static inline uint32_t ql_xdp_ring_used(const ql_xdp_ring *ring)
{
    return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) -
           __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
}

/* The entry at a value of the producer's or consumer's index, which are not wrapped. */
static inline uint64_t *ql_xdp_address(const ql_xdp_ring *ring, uint32_t at)
{
    return (uint64_t *)ring->entries + (at & ring->mask);
}

static inline struct xdp_desc *ql_xdp_descriptor(const ql_xdp_ring *ring, uint32_t at)
{
    return (struct xdp_desc *)ring->entries + (at & ring->mask);
}

/* Hands that many entries to the other side: `index` is the producer's or the consumer's, whichever is us. */
static inline void ql_xdp_advance(uint32_t *index, uint32_t entries)
{
    __atomic_store_n(index, *index + entries, __ATOMIC_RELEASE);
}

static inline int ql_xdp_needs_wakeup(const ql_xdp_ring *ring)
{
    return (__atomic_load_n(ring->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0;
}

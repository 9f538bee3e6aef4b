/* An engine whose wires are made, impaired, cut, listened to, injected into and taken away while their nodes
   send and receive, for ThreadSanitizer to watch. The exit code is 1 if frames of a wire are unaccounted for.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture_api.h"
#include "wire_api.h"

enum { ROUNDS = 12, STEPS = 10, LINKS = 3, OCTETS = 200, BUFFER_OCTETS = 4096, RING_OCTETS = 1 << 14 };

/* Both ends of a link: our descriptor, the node's, the port on ours; what that end sends. */
typedef struct {
    int ours[2], node[2], wire[2];
    ql_port *port[2];
    ql_secy *secy[2];
    ql_capture *capture[2];
    uint64_t injected[2];
    uint64_t counters[2][QL_WIRE_COUNTERS];
    pthread_t threads[2];
    atomic_int over;
} link_trial;

static ql_engine *engine;
static uint64_t memory[2 * LINKS][(QL_CAPTURE_HEADER_OCTETS + RING_OCTETS) / 8];
static atomic_int over;

/* Both nodes of a link. */
static void *exchange(void *of)
{
    link_trial *link = of;
    uint8_t frame[OCTETS] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}, taken[BUFFER_OCTETS];
    for (; !atomic_load(&link->over); sched_yield())
        for (int end = 0; end < 2; end++) {
            send(link->node[end], frame, sizeof frame, 0);
            while (recv(link->node[end], taken, sizeof taken, 0) > 0)
                ;
        }
    return NULL;
}

static void *look(void *unused)
{
    static uint8_t records[RING_OCTETS];
    for (; !atomic_load(&over); sched_yield())
        for (int i = 0; i < 2 * LINKS; i++)
            ql_capture_read(memory[i], RING_OCTETS, records, sizeof records);
    return unused;
}

static ql_secy *make_secy(int end)
{
    static const uint8_t key[16] = {1};
    ql_secy_config config = {.sci = {2, 0, 0, 0, 0, (uint8_t)end, 0, 1},
                             .sak_octets = sizeof key,
                             .protect_frames = 1,
                             .validate_frames = QL_VALIDATE_STRICT,
                             .always_include_sci = 1};
    ql_sak sak = {.key = key, .encrypt = 1};
    const uint8_t peer[8] = {2, 0, 0, 0, 0, (uint8_t)!end, 0, 1};
    ql_secy *secy = ql_secy_new(&config, NULL, NULL);
    if (secy == NULL || ql_secy_install_transmit_sa(secy, 0, &sak, 1, UINT32_MAX) < 0 ||
        ql_secy_install_receive_sa(secy, peer, 0, &sak, 1) < 0)
        exit(2);
    return secy;
}

static void make_link(link_trial *link, uint64_t seed)
{
    memset(link->counters, 0, sizeof link->counters);
    memset(link->injected, 0, sizeof link->injected);
    atomic_store(&link->over, 0);
    for (int end = 0; end < 2; end++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
            exit(2);
        link->ours[end] = pair[0];
        link->node[end] = pair[1];
        link->port[end] = ql_port_new_packet(pair[0]);
        link->secy[end] = seed % 3 ? make_secy(end) : NULL;
    }
    for (int end = 0; end < 2; end++) {
        ql_wire_config config = {.sending = link->port[end],
                                 .receiving = link->port[!end],
                                 .frame_octets = OCTETS,
                                 .transmit = link->secy[end],
                                 .receive = link->secy[!end],
                                 .counters = link->counters[end],
                                 .seed = seed};
        link->wire[end] = ql_engine_add_wire(engine, &config);
        if (link->wire[end] < 0)
            exit(2);
    }
    for (int i = 0; i < 2; i++)
        pthread_create(&link->threads[i], NULL, exchange, link);
}

/* What an owner may do to a wire. */
static void step(link_trial *link, int end, uint64_t chance)
{
    static const ql_impairment impairments[] = {
        {0},
        {.loss = 0.3, .corrupt = 0.1},
        {.delay_ns = 200000, .jitter_ns = 100000, .duplicate = 0.3, .reorder = 0.3, .reorder_frames = 2},
        {.rate_bps = 10000000, .queue_octets = 1000},
    };
    uint32_t wire = (uint32_t)link->wire[end];
    uint8_t frames[70 * 20] = {0};
    uint32_t lengths[70];
    for (int i = 0; i < 70; i++)
        lengths[i] = 20;
    ql_engine_impair_wire(engine, wire, &impairments[chance & 3]);
    sched_yield(); /* for the worker: what it sees next is ordered behind the lock that follows */
    ql_engine_block_wire(engine, wire, (chance >> 2 & 3) == 0);
    ql_engine_flip_bit(engine, wire, 100, 1);
    if (ql_engine_inject(engine, wire, frames, lengths, 70) == 0)
        link->injected[end] += 70;
    ql_engine_port_gone(engine, wire);
    ql_engine_remove_capture(engine, wire, link->capture[end]);
    if (chance >> 4 & 1)
        ql_engine_add_capture(engine, wire, link->capture[end]);
}

/* Takes a link away; whether all frames of a wire had an end. */
static int end_link(link_trial *link)
{
    static const int ends[] = {QL_WIRE_RX_FRAMES,  QL_WIRE_DROP_FAULT,  QL_WIRE_DROP_LOSS,
                               QL_WIRE_DROP_QUEUE, QL_WIRE_DROP_MEMORY, QL_WIRE_DROP_VALIDATE,
                               QL_WIRE_DROP_PORT};
    int accounted = 1;
    atomic_store(&link->over, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(link->threads[i], NULL);
    for (int end = 0; end < 2; end++) {
        const uint64_t *counters = link->counters[end];
        ql_engine_remove_capture(engine, (uint32_t)link->wire[end], link->capture[end]);
        ql_engine_impair_wire(engine, (uint32_t)link->wire[end], &(ql_impairment){0});
        while (__atomic_load_n(&counters[QL_WIRE_QUEUE_FRAMES], __ATOMIC_ACQUIRE) > 0)
            sched_yield();
        ql_engine_remove_wire(engine, (uint32_t)link->wire[end]);
        uint64_t ended = 0;
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
            ended += counters[ends[i]];
        accounted &= counters[QL_WIRE_TX_FRAMES] + link->injected[end] + counters[QL_WIRE_DUPLICATED] ==
                     ended + counters[QL_WIRE_DROP_PROTECT];
    }
    for (int end = 0; end < 2; end++) {
        ql_port_free(link->port[end]);
        ql_secy_free(link->secy[end]);
        close(link->ours[end]);
        close(link->node[end]);
    }
    return accounted;
}

int main(void)
{
    static link_trial links[LINKS];
    pthread_t looking;
    int accounted = 1;
    engine = ql_engine_new(2, 0);
    for (int i = 0; i < 2 * LINKS; i++)
        links[i / 2].capture[i % 2] = ql_capture_new(memory[i], RING_OCTETS, 64, 15);
    pthread_create(&looking, NULL, look, NULL);
    for (int i = 0; i < LINKS; i++)
        make_link(&links[i], (uint64_t)i);
    uint64_t chance = 1;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < STEPS; i++) {
            chance = chance * 6364136223846793005u + 1442695040888963407u;
            step(&links[(chance >> 32) % LINKS], (int)(chance >> 50 & 1), chance >> 56);
        }
        link_trial *link = &links[round % LINKS];
        accounted &= end_link(link);
        make_link(link, (uint64_t)round);
    }
    for (int i = 0; i < LINKS; i++)
        accounted &= end_link(&links[i]);
    atomic_store(&over, 1);
    pthread_join(looking, NULL);
    ql_engine_free(engine);
    for (int i = 0; i < 2 * LINKS; i++)
        ql_capture_free(links[i / 2].capture[i % 2]);
    return !accounted;
}

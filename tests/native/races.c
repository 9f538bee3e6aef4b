/* Threads that send, receive, manage and look on one SecY at once, and the two ends of a capture, for
   ThreadSanitizer to watch. The exit code is 1 if a packet number came twice or a captured frame is not
   whole. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "secy.h"

enum {
    ROUNDS = 10000,
    FRAMES = 8,
    ROOM = 32,
    OCTETS = 64,
    SLOT = 2 * ROOM + OCTETS,
    PEERS = 20,
    RING_OCTETS = 4096
};

static ql_secy *secy;
static atomic_uchar sent[1 << 20];
static atomic_int repeated, broken;
static uint64_t ring[(QL_CAPTURE_HEADER_OCTETS + RING_OCTETS) / 8];
static ql_secy_config config = {.sci = {2, 0, 0, 0, 0, 0, 0, 1},
                                .sak_octets = 16,
                                .protect_frames = 1,
                                .validate_frames = QL_VALIDATE_STRICT,
                                .always_include_sci = 1};
static const uint8_t key[32] = {1};

static void run_batch(void (*work)(ql_secy *, ql_batch *), uint8_t *arena, uint32_t *offset)
{
    uint32_t length[FRAMES];
    uint8_t verdict[FRAMES];
    for (uint32_t i = 0; i < FRAMES; i++) {
        offset[i] = i * SLOT + ROOM;
        length[i] = OCTETS;
    }
    ql_batch batch = {arena, FRAMES * SLOT, FRAMES, offset, length, verdict};
    work(secy, &batch);
    for (uint32_t i = 0; i < FRAMES; i++)
        if (!ql_verdict_passes(verdict[i]))
            offset[i] = 0;
}

static void *sending(void *unused)
{
    uint8_t arena[FRAMES * SLOT] = {0};
    uint32_t offset[FRAMES], pn;
    for (int round = 0; round < ROUNDS; round++) {
        run_batch(ql_secy_protect, arena, offset);
        for (uint32_t i = 0; i < FRAMES; i++) {
            memcpy(&pn, arena + offset[i] + 16, sizeof pn);
            if (offset[i] != 0 && be32toh(pn) < sizeof sent && atomic_fetch_add(&sent[be32toh(pn)], 1) > 0)
                atomic_store(&repeated, 1);
        }
    }
    return unused;
}

static void *receiving(void *unused)
{
    uint8_t arena[FRAMES * SLOT];
    uint32_t offset[FRAMES];
    for (int round = 0; round < ROUNDS; round++) {
        memset(arena, 0, sizeof arena);
        for (uint32_t i = 0; i < FRAMES; i++) {
            uint8_t sci[8] = {2, 0, 0, 0, (uint8_t)((round + i) % PEERS), 1, 0, 1};
            uint8_t addresses[QL_ADDRESS_OCTETS] = {0}, tci = QL_TCI_SCI | QL_TCI_ENCRYPTED | QL_TCI_CHANGED;
            uint8_t *data = arena + i * SLOT + ROOM + QL_ADDRESS_OCTETS + QL_SECTAG_OCTETS;
            ql_header_write(data, addresses, tci, 1, sci, 20);
        }
        run_batch(ql_secy_validate, arena, offset);
    }
    return unused;
}

static void *managing_transmission(void *unused)
{
    ql_sak sak = {.key = key, .encrypt = 1};
    ql_transmit_state state;
    for (int round = 0; round < ROUNDS; round++) {
        ql_secy_transmit_state(secy, &state);
        ql_secy_install_transmit_sa(secy, round & 3, &sak, state.an < 0 ? 1 : state.next_pn + FRAMES,
                                    UINT32_MAX);
        ql_secy_extend_transmit_sa(secy, round & 3, UINT32_MAX);
        ql_secy_remove_transmit_sa(secy, (uint8_t)(round + 1) & 3);
        ql_secy_set_alarm(secy, state.next_pn + 1);
    }
    return unused;
}

static void *managing_reception(void *unused)
{
    ql_sak sak = {.key = key, .encrypt = 1};
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t sci[8] = {2, 0, 0, 0, (uint8_t)(round % PEERS), 1, 0, 1};
        ql_secy_install_receive_sa(secy, sci, 0, &sak, 1 + (uint64_t)round);
        if (round % 3 == 0)
            ql_secy_remove_receive_sa(secy, sci, 0);
        config.replay_window = (uint32_t)round & 63;
        config.mtu = round & 1 ? 1500 : 0;
        ql_secy_configure(secy, &config);
    }
    return unused;
}

static void *looking(void *unused)
{
    ql_receive_state received;
    uint64_t counters[QL_SECY_CHANNEL_COUNTERS];
    uint8_t sak[32];
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t sci[8] = {2, 0, 0, 0, (uint8_t)(round % PEERS), 1, 0, 1};
        ql_secy_operational(secy);
        ql_secy_receive_state(secy, sci, 0, &received);
        ql_secy_channel_counters(secy, sci, counters);
        ql_secy_export_sak(secy, sak);
        ql_secy_take_alarm(secy);
    }
    return unused;
}

/* Every octet of a frame is the low one of its number. */
static void *capturing(void *memory)
{
    uint8_t frame[OCTETS];
    ql_captures captures = {0};
    ql_capture *capture = ql_capture_new(memory, RING_OCTETS, OCTETS, QL_CAPTURE_WIRE);
    ql_captures_add(&captures, capture);
    for (int round = 0; round < ROUNDS * FRAMES; round++) {
        memset(frame, round, sizeof frame);
        ql_capture_frame(&captures, frame, sizeof frame, round & 7);
    }
    ql_capture_free(capture);
    return NULL;
}

static void *reading(void *memory)
{
    struct {
        ql_capture_record record;
        uint8_t frame[OCTETS];
    } seen;
    uint64_t frames = 0;
    for (int ended = 0, more = 0; !ended || more;) {
        ended = ql_capture_ended(memory);
        more = ql_capture_read(memory, RING_OCTETS, (uint8_t *)&seen, sizeof seen) > 0;
        if (!more)
            continue;
        frames++;
        for (uint32_t i = 0; i < OCTETS; i++)
            if (seen.frame[i] != seen.frame[0] || seen.record.dropped != (seen.frame[0] & 7))
                atomic_store(&broken, 1);
    }
    if (frames + ql_capture_dropped(memory, QL_CAPTURE_WIRE) != ROUNDS * FRAMES)
        atomic_store(&broken, 1);
    return NULL;
}

int main(void)
{
    void *(*const works[])(void *) = {
        sending, sending, receiving, managing_transmission, managing_reception, looking, capturing, reading};
    enum { THREADS = sizeof works / sizeof *works };
    pthread_t threads[THREADS];
    secy = ql_secy_new(&config, NULL, NULL);
    if (secy == NULL)
        return 2;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, works[i], ring);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ql_secy_free(secy);
    return atomic_load(&repeated) || atomic_load(&broken);
}

/* Fuzz target: a sending SecY over each cipher library. They must make the same octets, and a peer that has
   the key must find in them what went in. */
#include "input.h"
#include "sectag.h"

enum { LIBRARIES = 2 };

typedef struct {
    uint8_t *arena;
    uint32_t offset;
    uint32_t length;
    uint8_t verdict;
} frame;

static ql_batch as_batch(frame *one, uint32_t arena_octets)
{
    return (ql_batch){one->arena, arena_octets, 1, &one->offset, &one->length, &one->verdict};
}

/* The peer knows one SC; ES and SCB may name another. */
static void expect_delivered(ql_secy *peer, frame sent, uint32_t arena_octets, const uint8_t *data,
                             uint32_t octets)
{
    uint8_t wire[2048];
    EXPECT(arena_octets <= sizeof wire);
    memcpy(wire, sent.arena, arena_octets);
    sent.arena = wire;
    const uint8_t *tag = wire + sent.offset + ql_header_octets(wire + sent.offset, sent.length, 2);
    int named = tag[2] & (QL_TCI_END_STATION | QL_TCI_SINGLE_COPY_BROADCAST);
    ql_batch batch = as_batch(&sent, arena_octets);
    ql_secy_validate(peer, &batch);
    if (named && sent.verdict == QL_IN_PKTS_NO_SA_ERROR)
        return;
    EXPECT(sent.verdict == QL_IN_PKTS_OK);
    EXPECT(sent.length == octets && memcmp(wire + sent.offset, data, octets) == 0);
}

static void protect(ql_secy *const secys[LIBRARIES], ql_secy *peer, fuzz_input *input)
{
    uint8_t room = (uint8_t)take(input, 1) % 20;
    uint32_t octets, longer = (uint32_t)take(input, 1) == 1;
    frame made[LIBRARIES];
    uint8_t *arena = take_octets(input, room, room, &octets);
    uint32_t arena_octets = octets + 2 * room;
    for (int i = 0; i < LIBRARIES; i++) {
        made[i] = (frame){malloc(arena_octets + !arena_octets), room, octets + longer, 0xFF};
        memcpy(made[i].arena, arena, arena_octets);
        ql_batch batch = as_batch(&made[i], arena_octets);
        ql_secy_protect(secys[i], &batch);
    }
    frame sent = made[0];
    EXPECT(sent.verdict == made[1].verdict && sent.length == made[1].length);
    EXPECT(sent.offset == made[1].offset && memcmp(sent.arena, made[1].arena, arena_octets) == 0);
    EXPECT((sent.verdict >= 1 && sent.verdict <= QL_OUT_PASSES_BYPASS) || sent.verdict == QL_NO_ROOM);
    EXPECT((sent.verdict == QL_NO_ROOM) == (room < QL_SECTAG_OCTETS || room - longer < QL_ICV_OCTETS));
    if (sent.verdict == QL_OUT_PKTS_ENCRYPTED || sent.verdict == QL_OUT_PKTS_PROTECTED)
        expect_delivered(peer, sent, arena_octets, arena + room, octets + longer);
    else
        EXPECT(memcmp(sent.arena, arena, arena_octets) == 0 && sent.offset == room);
    for (int i = 0; i < LIBRARIES; i++)
        free(made[i].arena);
    free(arena);
}

static void install(ql_secy *const secys[LIBRARIES], ql_secy *peer, const ql_secy_config *config,
                    fuzz_input *input)
{
    uint8_t key[32];
    uint8_t an = (uint8_t)take(input, 1) % 5;
    ql_sak sak = take_sak(input, config, key);
    uint64_t next_pn = take_pn(input), last_pn = take_pn(input);
    int results[LIBRARIES];
    for (int i = 0; i < LIBRARIES; i++)
        results[i] = ql_secy_install_transmit_sa(secys[i], an, &sak, next_pn, last_pn);
    EXPECT(results[0] == results[1]);
    if (results[0] == 0) {
        ql_secy_remove_receive_sa(peer, own_sci, an);
        EXPECT(ql_secy_install_receive_sa(peer, own_sci, an, &sak, next_pn) == 0);
    }
}

/* The parameters of the sender's peer. */
static ql_secy_config strict(ql_secy_config config)
{
    config.validate_frames = QL_VALIDATE_STRICT;
    config.detect_duplicates = 0;
    config.sci[0] = 4;
    return config;
}

static void configure(ql_secy *const secys[LIBRARIES], ql_secy *peer, ql_secy_config *config,
                      fuzz_input *input)
{
    ql_secy_config next = take_config(input), peers = strict(next);
    int result = ql_secy_configure(secys[0], &next);
    EXPECT(ql_secy_configure(secys[1], &next) == result);
    if (result == 0) {
        EXPECT(ql_secy_configure(peer, &peers) == 0);
        *config = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, data + size};
    ql_secy_config config = take_config(&input), peers = strict(config);
    ql_secy *secys[LIBRARIES] = {ql_secy_new(&config, "openssl", NULL), ql_secy_new(&config, NULL, NULL)};
    ql_secy *peer = ql_secy_new(&peers, NULL, NULL);
    EXPECT((secys[0] != NULL) == (secys[1] != NULL));
    while (secys[0] != NULL && peer != NULL && input.at < input.end) {
        uint8_t what = (uint8_t)take(&input, 1) % 8;
        if (what == 0)
            configure(secys, peer, &config, &input);
        else if (what < 3)
            install(secys, peer, &config, &input);
        else
            protect(secys, peer, &input);
    }
    for (int i = 0; i < LIBRARIES; i++)
        ql_secy_free(secys[i]);
    ql_secy_free(peer);
    return 0;
}

/* Fuzz target: a receiving SecY under random management, and frames that are noise, or a peer's and damaged.
 */
#include "input.h"
#include "sectag.h"

typedef struct {
    ql_secy_config config;
    ql_secy *secy;
    ql_secy *peer;
    uint64_t counters[QL_SECY_COUNTERS];
    uint64_t frames;
} receiver;

/* Every frame is in one counter; what is counted for SCs is a part of it. */
static void expect_consistent(const receiver *to)
{
    uint64_t sum = 0;
    for (int slot = QL_IN_PKTS_UNTAGGED - 1; slot < QL_SECY_COUNTERS; slot++)
        sum += to->counters[slot];
    sum -= to->counters[QL_IN_OCTETS_VALIDATED - 1] + to->counters[QL_IN_OCTETS_DECRYPTED - 1];
    sum -= to->counters[QL_IN_PKTS_UNUSED_SA - 1] + to->counters[QL_IN_PKTS_NOT_USING_SA - 1];
    EXPECT(sum == to->frames);
    EXPECT(to->counters[QL_IN_PKTS_UNUSED_SA - 1] <= to->counters[QL_IN_PKTS_NO_SA - 1]);
    EXPECT(to->counters[QL_IN_PKTS_NOT_USING_SA - 1] <= to->counters[QL_IN_PKTS_NO_SA_ERROR - 1]);
}

static void validate(receiver *to, uint8_t *arena, uint32_t offset, uint32_t length, uint32_t arena_octets)
{
    uint32_t new_offset = offset, new_length = length;
    uint8_t verdict = 0xFF;
    ql_batch batch = {arena, arena_octets, 1, &new_offset, &new_length, &verdict};
    ql_secy_validate(to->secy, &batch);
    EXPECT((verdict >= QL_IN_PKTS_UNTAGGED && verdict <= QL_SECY_COUNTERS) || verdict == QL_NO_ROOM);
    EXPECT((verdict == QL_NO_ROOM) == ((uint64_t)offset + length > arena_octets));
    if (ql_verdict_passes(verdict)) {
        EXPECT(new_offset >= offset && new_length >= 12);
        EXPECT((uint64_t)new_offset + new_length <= (uint64_t)offset + length);
    } else {
        EXPECT(new_offset == offset && new_length == length);
    }
    to->frames += verdict != QL_NO_ROOM;
    expect_consistent(to);
}

/* A frame as the peer sends it, some octets changed. */
static void validate_damaged(receiver *to, fuzz_input *input)
{
    uint32_t octets, offset = QL_SECTAG_OCTETS;
    uint8_t verdict;
    uint8_t *arena = take_octets(input, QL_SECTAG_OCTETS, QL_ICV_OCTETS, &octets);
    uint32_t arena_octets = QL_SECTAG_OCTETS + octets + QL_ICV_OCTETS;
    ql_batch batch = {arena, arena_octets, 1, &offset, &octets, &verdict};
    ql_secy_protect(to->peer, &batch);
    for (uint64_t changes = take(input, 1) & 3; changes > 0 && octets > 0; changes--) {
        uint32_t at = (uint32_t)take(input, 1) % octets;
        arena[offset + at] ^= (uint8_t)take(input, 1);
    }
    uint32_t padding = (uint32_t)take(input, 1) & 1 ? arena_octets - offset - octets : 0;
    validate(to, arena, offset, octets + padding, arena_octets);
    free(arena);
}

static void manage(receiver *to, fuzz_input *input, uint8_t what)
{
    uint8_t sci[8], key[32];
    uint8_t an = (uint8_t)take(input, 1) % 5;
    take_sci(input, sci);
    ql_receive_state before = {0}, after = {0};
    int known = ql_secy_receive_state(to->secy, sci, an, &before) == 0;
    if (what == 0) {
        ql_sak sak = take_sak(input, &to->config, key);
        int refused = ql_secy_install_receive_sa(to->secy, sci, an, &sak, take_pn(input));
        EXPECT(!known || ql_secy_receive_state(to->secy, sci, an, &after) == 0);
        EXPECT(!refused || memcmp(&before, &after, sizeof before) == 0);
    } else if (what == 1) {
        EXPECT((ql_secy_remove_receive_sa(to->secy, sci, an) == 0) == known);
        EXPECT(ql_secy_receive_state(to->secy, sci, an, &after) != 0);
    } else if (what == 2) {
        ql_secy_config config = take_config(input);
        if (ql_secy_configure(to->secy, &config) == 0)
            to->config = config;
    } else {
        ql_sak sak = take_sak(input, &to->config, key);
        ql_secy_install_transmit_sa(to->peer, an, &sak, take_pn(input),
                                    to->config.xpn ? UINT64_MAX : UINT32_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, data + size};
    receiver to = {.config = take_config(&input)};
    ql_secy_config peer = take_config(&input);
    take_sci(&input, peer.sci);
    peer.sak_octets = to.config.sak_octets;
    peer.xpn = to.config.xpn;
    to.secy = ql_secy_new(&to.config, NULL, to.counters);
    to.peer = ql_secy_new(&peer, NULL, NULL);
    while (to.secy != NULL && to.peer != NULL && input.at < input.end) {
        uint8_t what = (uint8_t)take(&input, 1) % 8;
        uint32_t octets;
        if (what < 4) {
            manage(&to, &input, what);
        } else if (what < 7) {
            validate_damaged(&to, &input);
        } else {
            uint8_t *frame = take_octets(&input, 0, 0, &octets);
            uint8_t beyond = (uint8_t)take(&input, 1) == 1;
            validate(&to, frame, beyond, octets, octets);
            free(frame);
        }
    }
    ql_secy_free(to.secy);
    ql_secy_free(to.peer);
    return 0;
}

/* Fuzz target: a heartbeat, which compares what anybody may have sent, under an owner who takes and judges
   whenever the input says so. */
#include "heartbeat.h"
#include "input.h"

enum { LONGEST_NS = 1 << 20 };

static uint64_t now_ns;

static void set(fuzz_input *input, ql_beat *beat)
{
    ql_heartbeat wanted = {
        .earliest_ns = take(input, 2), .next_ns = take(input, 2), .heard_ns = take(input, 2)};
    wanted.latest_ns = wanted.earliest_ns + take(input, 2);
    wanted.timeout_ns = take(input, 2);
    wanted.expected_octets = (uint32_t)take(input, 1) % (QL_HEARTBEAT_OCTETS + 1);
    uint64_t heard_ns = beat->set.heard_ns, send_ns = beat->send_ns;
    int goes_on = wanted.next_ns == beat->set.next_ns && send_ns != UINT64_MAX;
    ql_beat_set(beat, &wanted);
    EXPECT(beat->set.heard_ns >= heard_ns && beat->set.heard_ns >= wanted.heard_ns);
    EXPECT((beat->send_ns == UINT64_MAX) == (wanted.latest_ns == 0));
    EXPECT(wanted.latest_ns == 0 || beat->send_ns == (goes_on ? send_ns : wanted.next_ns));
    EXPECT((beat->silence_ns == UINT64_MAX) == (wanted.timeout_ns == 0));
}

static void send_one(fuzz_input *input, ql_beat *beat)
{
    uint64_t chance = take(input, 8);
    if (beat->set.latest_ns == 0)
        return;
    ql_beat_sent(beat, now_ns, chance);
    EXPECT(beat->send_ns >= now_ns + beat->set.earliest_ns);
    EXPECT(beat->send_ns <= now_ns + beat->set.latest_ns);
}

static void hear(fuzz_input *input, ql_beat *beat)
{
    uint32_t octets;
    uint8_t *packet = take_octets(input, 0, 0, &octets);
    if (octets > QL_HEARTBEAT_OCTETS)
        octets = QL_HEARTBEAT_OCTETS;
    int expected = octets == beat->set.expected_octets && memcmp(packet, beat->set.expected, octets) == 0;
    EXPECT(ql_beat_hear(beat, packet, octets, now_ns) == !expected);
    EXPECT(!expected || beat->set.heard_ns == now_ns);
    if (!expected && octets > 0) {
        ql_heartbeat_event event = {.octets = octets, .t_ns = now_ns};
        memcpy(event.packet, packet, octets);
        ql_beat_tell(beat, &event);
        EXPECT(memcmp(&beat->pending[beat->pending_count - 1], &event, sizeof event) == 0);
        EXPECT(beat->set.timeout_ns == 0 || !ql_beat_is_silent(beat, now_ns));
    }
    free(packet);
}

/* No two packets between silences are the same, and all are in order of time. */
static void look(const ql_beat *beat)
{
    EXPECT(beat->pending_count <= QL_HEARTBEAT_PENDING);
    for (uint32_t i = 1; i < beat->pending_count; i++) {
        const ql_heartbeat_event *event = &beat->pending[i];
        EXPECT(event->t_ns >= event[-1].t_ns);
        for (uint32_t j = i; j > 0 && beat->pending[j - 1].octets > 0; j--)
            EXPECT(event->octets != beat->pending[j - 1].octets ||
                   memcmp(event->packet, beat->pending[j - 1].packet, event->octets) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, data + size};
    ql_beat beat = {.send_ns = UINT64_MAX, .silence_ns = UINT64_MAX};
    now_ns = LONGEST_NS;
    while (input.at < input.end) {
        uint8_t what = (uint8_t)take(&input, 1);
        now_ns += take(&input, 2);
        if (what % 8 == 0)
            set(&input, &beat);
        else if (what % 8 == 1)
            send_one(&input, &beat);
        else if (what % 8 == 2)
            beat.pending_count = 0;
        else if (what % 8 == 3 && ql_beat_is_silent(&beat, now_ns)) {
            ql_heartbeat_event silence = {.t_ns = now_ns};
            beat.silence_ns = UINT64_MAX;
            ql_beat_tell(&beat, &silence);
        } else if (what % 8 > 3)
            hear(&input, &beat);
        look(&beat);
    }
    return 0;
}

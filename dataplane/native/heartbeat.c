#include "heartbeat.h"

#include <string.h>

/* The schedule's steps are at most this part of what is left to chance, so that heartbeats share wake-ups. */
enum { STEPS = 8 };

static void watch(ql_beat *beat)
{
    beat->silence_ns = beat->set.timeout_ns > 0 ? beat->set.heard_ns + beat->set.timeout_ns : UINT64_MAX;
}

void ql_beat_set(ql_beat *beat, const ql_heartbeat *heartbeat)
{
    uint64_t next_ns = beat->set.next_ns, heard_ns = beat->set.heard_ns;
    beat->set = *heartbeat;
    if (heard_ns > heartbeat->heard_ns)
        beat->set.heard_ns = heard_ns;
    watch(beat);
    if (heartbeat->latest_ns == 0)
        beat->send_ns = UINT64_MAX;
    else if (heartbeat->next_ns != next_ns || beat->send_ns == UINT64_MAX)
        beat->send_ns = heartbeat->next_ns;
}

/* The largest power of two that is not above `value`, which is not 0. */
static uint64_t power_of_two(uint64_t value)
{
    return UINT64_C(1) << (63 - __builtin_clzll(value));
}

void ql_beat_sent(ql_beat *beat, uint64_t now_ns, uint64_t chance)
{
    uint64_t first_ns = now_ns + beat->set.earliest_ns;
    uint64_t range_ns = beat->set.latest_ns - beat->set.earliest_ns;
    beat->send_ns = first_ns + chance % (range_ns + 1);
    if (range_ns >= STEPS)
        beat->send_ns &= ~(power_of_two(range_ns / STEPS) - 1);
    if (beat->send_ns < first_ns)
        beat->send_ns = first_ns;
}

int ql_beat_hear(ql_beat *beat, const uint8_t *packet, uint32_t octets, uint64_t now_ns)
{
    if (octets != beat->set.expected_octets || memcmp(packet, beat->set.expected, octets) != 0)
        return 1;
    beat->set.heard_ns = now_ns;
    /* Silence that was told is over only when the owner says so. */
    if (beat->silence_ns != UINT64_MAX)
        watch(beat);
    return 0;
}

static int are_same(const ql_heartbeat_event *one, const ql_heartbeat_event *other)
{
    return one->octets == other->octets && memcmp(one->packet, other->packet, one->octets) == 0 &&
           memcmp(one->source, other->source, sizeof one->source) == 0;
}

void ql_beat_tell(ql_beat *beat, const ql_heartbeat_event *event)
{
    uint32_t gone = beat->pending_count;
    /* Nothing is moved over silence: then it would seem to have come after it only. */
    for (uint32_t i = beat->pending_count; i > 0 && beat->pending[i - 1].octets > 0; i--)
        if (are_same(&beat->pending[i - 1], event))
            gone = i - 1;
    if (event->octets == 0 && gone > 0 && beat->pending[gone - 1].octets == 0)
        gone--;
    if (gone == QL_HEARTBEAT_PENDING)
        gone = 0;
    if (gone < beat->pending_count) {
        beat->pending_count--;
        memmove(&beat->pending[gone], &beat->pending[gone + 1],
                (beat->pending_count - gone) * sizeof beat->pending[0]);
    }
    beat->pending[beat->pending_count++] = *event;
}

int ql_beat_is_silent(ql_beat *beat, uint64_t now_ns)
{
    /* Until the owner has judged an unexpected packet it breaks the silence. */
    if (beat->pending_count > 0 && beat->silence_ns <= now_ns) {
        uint64_t broken_ns = beat->pending[beat->pending_count - 1].t_ns + beat->set.timeout_ns;
        if (broken_ns > beat->silence_ns)
            beat->silence_ns = broken_ns;
    }
    return beat->silence_ns <= now_ns;
}

void ql_beat_forgive(ql_beat *beat, uint64_t late_ns)
{
    beat->set.heard_ns += late_ns;
    if (beat->silence_ns != UINT64_MAX)
        beat->silence_ns += late_ns;
}

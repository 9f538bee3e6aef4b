#include "heartbeat.h"

#include <string.h>

/* The schedule has steps of at most this part of what is left to chance, so that heartbeats share wake-ups.
 */
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
    int unexpected = octets != beat->set.expected_octets || memcmp(packet, beat->set.expected, octets) != 0;
    if (!unexpected)
        beat->set.heard_ns = now_ns;
    /* Until the owner has judged an unexpected packet it is no silence; silence that was told is over only
       when the owner says so. */
    if (beat->silence_ns != UINT64_MAX)
        beat->silence_ns = now_ns + beat->set.timeout_ns;
    return unexpected;
}

void ql_beat_forgive(ql_beat *beat, uint64_t late_ns)
{
    beat->set.heard_ns += late_ns;
    if (beat->silence_ns != UINT64_MAX)
        beat->silence_ns += late_ns;
}

/* Probe packets between two ports, in one thread for both ends. */
#include "probe_clock.h"
#include "probe_packet.h"
#include "probe_frames_api.h"
#include "port.h"

/* The burst is filled, sent and emptied before the other end uses it. */
static void send_due(ql_probe_frames *frames, ql_scratch *scratch, uint64_t number, uint64_t count,
                     uint64_t tx_ns)
{
    ql_probe_sender *sender = frames->sender;
    uint32_t octets = (uint32_t)(frames->header_octets + sender->packet_octets);
    uint64_t ignored[QL_WIRE_COUNTERS] = {0};
    scratch->burst.count = 0;
    for (uint64_t i = 0; i < count; i++) {
        ql_probe_write(sender, number + i, frames->frame + frames->header_octets, tx_ns);
        memcpy(ql_burst_slot(&scratch->burst), frames->frame, octets);
        ql_burst_push(&scratch->burst, octets);
    }
    ql_store(&sender->counters->last_tx_ns, tx_ns);
    ql_store(&sender->counters->sent_count, number + count);
    frames->near->operations->send(frames->near, scratch, ignored);
}

/* Frames of other protocols come this way, too: they are no packets, so nobody counts them. */
static void read_waiting(ql_probe_frames *frames, ql_scratch *scratch)
{
    enum { TYPE_AT = 12, TYPE_END = 14 };
    uint64_t ignored[QL_WIRE_COUNTERS] = {0};
    scratch->burst.count = 0;
    frames->far->operations->receive(frames->far, scratch, ignored);
    uint64_t rx_ns = ql_now_ns();
    for (uint32_t i = 0; i < scratch->burst.count; i++) {
        const uint8_t *frame = ql_burst_frame(&scratch->burst, i);
        uint64_t octets = scratch->burst.length[i];
        if (octets < frames->header_octets ||
            memcmp(frame + TYPE_AT, frames->frame + TYPE_AT, TYPE_END - TYPE_AT) != 0)
            continue;
        ql_probe_take(frames->receiver, frame + frames->header_octets, octets - frames->header_octets, rx_ns);
    }
}

static void run(ql_probe_frames *frames, ql_scratch *scratch)
{
    ql_probe_sender *sender = frames->sender;
    uint64_t begin_ns = ql_now_ns(), now_ns = begin_ns, last_ns = begin_ns;
    ql_store(&sender->counters->begin_ns, begin_ns);
    uint64_t number = 0, cpu_before_ns = ql_cpu_ns();
    for (; now_ns < last_ns + frames->grace_ns; now_ns = ql_now_ns()) {
        if (number < sender->packets && !ql_load(&sender->counters->stop)) {
            last_ns = now_ns;
            if (begin_ns + ql_probe_deadline_ns(sender, number) <= now_ns) {
                uint64_t count = ql_probe_due(sender, number, now_ns - begin_ns);
                send_due(frames, scratch, number, count, now_ns);
                number += count;
            }
        } else if (sender->counters->cpu_ns == 0) {
            ql_store(&sender->counters->cpu_ns, ql_cpu_ns() - cpu_before_ns);
        }
        read_waiting(frames, scratch);
    }
}

void ql_probe_frames_run(ql_probe_frames *frames)
{
    ql_scratch scratch = {0};
    if (ql_scratch_reserve(&scratch, (uint32_t)(frames->header_octets + frames->sender->packet_octets)) == 0)
        run(frames, &scratch);
    else
        ql_add(&frames->receiver->counters->receive_errors, 1);
    ql_scratch_clear(&scratch);
}

/* What arrives of a flow, judged packet by packet in constant memory: duplicates, reordering (RFC 4737),
 * gaps. */
#include "probe_clock.h"
#include "probe_api.h"

static uint32_t *passed_over_by(ql_probe_flow *flow, uint64_t sequence)
{
    return &flow->passed_over_by[sequence % QL_PROBE_WINDOW];
}

/* The highest so far: whatever it skipped is passed over by it. */
static void in_order(ql_probe_flow *flow, uint64_t sequence)
{
    uint64_t skipped = flow->next_sequence;
    if (sequence - skipped >= QL_PROBE_WINDOW)
        skipped = sequence - QL_PROBE_WINDOW + 1;
    ql_add(&flow->received, 1);
    for (; skipped < sequence; skipped++)
        *passed_over_by(flow, skipped) = (uint32_t)flow->received;
    *passed_over_by(flow, sequence) = 0;
    ql_store(&flow->next_sequence, sequence + 1);
}

/* The extent reaches back to the earliest arrival of a higher sequence, which is the one that passed it over.
 */
static void reordered(ql_probe_flow *flow, uint64_t sequence)
{
    ql_add(&flow->received, 1);
    uint32_t extent = (uint32_t)flow->received - *passed_over_by(flow, sequence);
    *passed_over_by(flow, sequence) = 0;
    ql_add(&flow->reordered, 1);
    ql_add(&flow->extent_sum, extent);
    if (extent > flow->extent_max)
        ql_store(&flow->extent_max, extent);
}

static void note_time(ql_probe_flow *flow, uint64_t rx_ns)
{
    if (flow->last_rx_ns == 0)
        ql_store(&flow->first_rx_ns, rx_ns);
    else if (rx_ns > flow->last_rx_ns && rx_ns - flow->last_rx_ns > flow->longest_gap_ns)
        ql_store(&flow->longest_gap_ns, rx_ns - flow->last_rx_ns);
    ql_store(&flow->last_rx_ns, rx_ns);
}

int ql_probe_arrival(ql_probe_flow *flow, uint32_t sequence, uint64_t rx_ns)
{
    note_time(flow, rx_ns);
    if (sequence >= flow->next_sequence) {
        in_order(flow, sequence);
    } else if (flow->next_sequence - sequence > QL_PROBE_WINDOW) {
        ql_add(&flow->too_late, 1);
        return 0;
    } else if (*passed_over_by(flow, sequence) == 0) {
        ql_add(&flow->duplicates, 1);
        return 0;
    } else {
        reordered(flow, sequence);
    }
    return 1;
}

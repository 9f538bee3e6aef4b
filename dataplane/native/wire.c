/* The way of a frame: port, protect (802.1AE), the wire with its faults and its capture, validate, port. */
#include "wire.h"

#include "clock.h"
#include "count.h"
#include "sectag.h"

#include <stdlib.h>
#include <string.h>

ql_wire *ql_wire_new(const ql_wire_config *config, ql_block_pool *pool)
{
    ql_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL)
        return NULL;
    wire->config = *config;
    ql_line_init(&wire->line, config->seed, pool, config->counters);
    wire->transmitting = config->transmit == NULL || ql_secy_operational(config->transmit);
    wire->deadline_ns = UINT64_MAX;
    return wire;
}

void ql_wire_free(ql_wire *wire)
{
    if (wire == NULL)
        return;
    ql_line_clear(&wire->line);
    free(wire);
}

static void count(ql_wire *wire, int counter, uint64_t by)
{
    ql_count(&wire->config.counters[counter], by);
}

/* EAPOL, also behind VLAN tags (IEEE 802.1Q): a node must not reach the far KaY that way either. */
static int is_eapol(const uint8_t *frame, uint32_t length)
{
    return ql_ethertype(frame + ql_header_octets(frame, length, UINT32_MAX)) == QL_EAPOL;
}

/* The counter of why a node's frame may not enter the wire, or of those that did. */
static int judge(const ql_wire *wire, const uint8_t *frame, uint32_t length)
{
    if (length < QL_ETHERNET_HEADER_OCTETS)
        return QL_WIRE_DROP_RUNT;
    if (length > wire->config.frame_octets)
        return QL_WIRE_DROP_TOO_LONG;
    if (wire->config.transmit != NULL && is_eapol(frame, length))
        return QL_WIRE_DROP_EAPOL;
    return QL_WIRE_TX_FRAMES;
}

/* Keeps the frames that may enter the wire. */
static void admit(ql_wire *wire, ql_burst *burst)
{
    uint32_t kept = 0;
    uint64_t octets = 0;
    for (uint32_t i = 0; i < burst->count; i++) {
        int counter = judge(wire, ql_burst_frame(burst, i), burst->length[i]);
        if (counter != QL_WIRE_TX_FRAMES) {
            count(wire, counter, 1);
            continue;
        }
        octets += burst->length[i];
        ql_burst_keep(burst, i, kept++);
    }
    burst->count = kept;
    count(wire, QL_WIRE_TX_FRAMES, kept);
    count(wire, QL_WIRE_TX_OCTETS, octets);
}

/* Keeps the frames whose verdict passes; the others are counted. */
static void keep_passing(ql_wire *wire, ql_burst *burst, int drop_counter)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < burst->count; i++)
        if (ql_verdict_passes(burst->verdict[i]))
            ql_burst_keep(burst, i, kept++);
    if (kept < burst->count)
        count(wire, drop_counter, burst->count - kept);
    burst->count = kept;
}

static void protect(ql_wire *wire, ql_burst *burst)
{
    int secured = wire->config.transmit != NULL;
    if (burst->count == 0)
        return;
    ql_batch batch = ql_burst_batch(burst);
    ql_capture_sending(&wire->line.captures, burst);
    if (secured)
        ql_secy_protect(wire->config.transmit, &batch);
    ql_capture_sent(&wire->line.captures, burst, secured);
    if (secured)
        keep_passing(wire, burst, QL_WIRE_DROP_PROTECT);
}

static void validate(ql_wire *wire, ql_burst *burst)
{
    int secured = wire->config.receive != NULL;
    if (burst->count == 0)
        return;
    ql_batch batch = ql_burst_batch(burst);
    ql_capture_receiving(&wire->line.captures, burst);
    if (secured)
        ql_secy_validate(wire->config.receive, &batch);
    ql_capture_received(&wire->line.captures, burst, secured);
    if (secured)
        keep_passing(wire, burst, QL_WIRE_DROP_VALIDATE);
}

static void flip_bits(ql_wire *wire, ql_burst *burst)
{
    for (uint32_t i = 0; i < burst->count && wire->flip_frames > 0; i++) {
        if (wire->flip_bit / 8 >= burst->length[i])
            continue;
        ql_burst_flip_bit(burst, i, wire->flip_bit);
        wire->flip_frames--;
    }
}

/* Counts how long the burst's frames took since they were asked for. */
static void count_latency(ql_wire *wire, uint32_t frames, uint64_t since_ns)
{
    uint64_t took_ns = ql_now_ns() - since_ns;
    int bucket = 0;
    while (bucket < QL_WIRE_COUNTERS - QL_WIRE_LATENCY_BUCKETS - 1 && took_ns >= 1000ull << bucket)
        bucket++;
    count(wire, QL_WIRE_LATENCY_BUCKETS + bucket, frames);
    count(wire, QL_WIRE_LATENCY_NS, frames * took_ns);
}

/* From the far end of the wire to the receiving port. */
static void deliver(ql_wire *wire, ql_scratch *scratch, uint64_t since_ns)
{
    validate(wire, &scratch->burst);
    uint32_t frames = scratch->burst.count;
    if (frames == 0)
        return;
    wire->config.receiving->operations->send(wire->config.receiving, scratch, wire->config.counters);
    count_latency(wire, frames, since_ns);
}

static int is_blocked(ql_wire *wire)
{
    return atomic_load_explicit(&wire->blocked, memory_order_relaxed);
}

/* Loses all frames of the burst where a fault is active. */
static void fault(ql_wire *wire, ql_burst *burst)
{
    if (!is_blocked(wire))
        return;
    count(wire, QL_WIRE_DROP_FAULT, burst->count);
    burst->count = 0;
}

/* From the sending SecY's output on. */
static void cross(ql_wire *wire, ql_scratch *scratch, uint64_t now_ns)
{
    ql_burst *burst = &scratch->burst;
    flip_bits(wire, burst);
    ql_line_corrupt(&wire->line, burst);
    if (is_blocked(wire))
        ql_capture_burst(&wire->line.captures, burst, QL_WIRE_DROP_FAULT);
    fault(wire, burst);
    ql_line_enter(&wire->line, burst, now_ns);
    deliver(wire, scratch, now_ns);
}

uint64_t ql_wire_next_ns(const ql_wire *wire)
{
    return ql_line_next_ns(&wire->line);
}

void ql_wire_release(ql_wire *wire, ql_scratch *scratch, uint64_t now_ns)
{
    uint64_t due_ns = ql_line_next_ns(&wire->line);
    scratch->burst.count = 0;
    ql_line_leave(&wire->line, &scratch->burst, now_ns);
    fault(wire, &scratch->burst);
    deliver(wire, scratch, due_ns);
}

/* Takes a burst from the sending port, as many frames as it holds. */
static enum ql_received receive(ql_wire *wire, ql_scratch *scratch)
{
    scratch->burst.count = 0;
    return wire->config.sending->operations->receive(wire->config.sending, scratch, wire->config.counters);
}

/* Carries a burst from the sending port as far as it comes now. */
static enum ql_received carry(ql_wire *wire, ql_scratch *scratch)
{
    uint64_t since_ns = ql_now_ns();
    enum ql_received received = receive(wire, scratch);
    ql_burst *burst = &scratch->burst;
    admit(wire, burst);
    protect(wire, burst);
    if (burst->count > 0)
        cross(wire, scratch, since_ns);
    return received;
}

/* The same, and all that is left of a super-frame, which is in the scratch. */
static enum ql_received carry_whole(ql_wire *wire, ql_scratch *scratch)
{
    enum ql_received received;
    do {
        received = carry(wire, scratch);
    } while (received == QL_PORT_REST);
    return received;
}

void ql_wire_drain(ql_wire *wire, ql_scratch *scratch, uint32_t bursts)
{
    while (bursts-- > 0 && carry_whole(wire, scratch) == QL_PORT_MORE)
        ;
}

int ql_wire_run(ql_wire *wire, ql_scratch *scratch)
{
    enum ql_received received = carry_whole(wire, scratch);
    if (received == QL_PORT_GONE)
        atomic_store(&wire->port_gone, 1);
    int transmitting = wire->config.transmit == NULL || ql_secy_operational(wire->config.transmit);
    int changed = wire->transmitting != transmitting;
    int alarmed = wire->config.transmit != NULL && ql_secy_take_alarm(wire->config.transmit);
    wire->transmitting = transmitting;
    return changed || alarmed || atomic_load(&wire->port_gone);
}

uint64_t ql_wire_inject(ql_wire *wire, ql_scratch *scratch, const uint8_t *frames, const uint32_t *lengths,
                        uint32_t count)
{
    ql_burst *burst = &scratch->burst;
    uint64_t octets = 0;
    burst->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(ql_burst_slot(burst), frames + octets, lengths[i]);
        ql_burst_push(burst, lengths[i]);
        octets += lengths[i];
    }
    cross(wire, scratch, ql_now_ns());
    return octets;
}

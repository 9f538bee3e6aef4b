/* Fuzz target: a wire between two ports, which looks at what nodes and strangers send, and its capture. */
#include <unistd.h>

#include "clock.h"
#include "sectag.h"
#include "wire_input.h"

enum { FRAME_OCTETS = 600, RING_OCTETS = 4096 };

static int from[2], to[2];
static ql_port *ports[2];
static ql_block_pool blocks;
static ql_scratch scratch;
static uint64_t memory[(QL_CAPTURE_HEADER_OCTETS + RING_OCTETS) / 8];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    make_sockets(from);
    make_sockets(to);
    ports[0] = ql_port_new_packet(from[0]);
    ports[1] = ql_port_new_packet(to[0]);
    EXPECT(ports[0] != NULL && ports[1] != NULL && ql_burst_reserve(&scratch.burst, 5 * 255) == 0);
    return 0;
}

/* EAPOL behind any number of VLAN tags, looked for from the far end. */
static int hides_eapol(const uint8_t *frame, uint32_t octets)
{
    uint32_t tags = 0;
    while (12 + 4 * tags + 2 <= octets && (ql_ethertype(frame + 12 + 4 * tags) == QL_CUSTOMER_TAG ||
                                           ql_ethertype(frame + 12 + 4 * tags) == QL_SERVICE_TAG))
        tags++;
    return 12 + 4 * tags + 2 <= octets && ql_ethertype(frame + 12 + 4 * tags) == QL_EAPOL;
}

/* Reads the capture: whole records, and no EAPOL of a node on a MACsec link. */
static void read_capture(const ql_wire *wire)
{
    uint8_t records[RING_OCTETS];
    uint64_t octets = ql_capture_read(memory, RING_OCTETS, records, sizeof records);
    for (uint64_t at = 0; at < octets;) {
        ql_capture_record record;
        EXPECT(at + sizeof record <= octets);
        memcpy(&record, records + at, sizeof record);
        at += sizeof record;
        EXPECT(record.captured <= record.length && at + record.captured <= octets);
        if (record.point == QL_CAPTURE_SENT && wire->config.transmit != NULL)
            EXPECT(!hides_eapol(records + at, record.captured));
        at += (record.captured + 7u) & ~7u;
    }
}

/* Frames that arrived; all others wait or are in one of the drops. */
static void expect_conserved(const ql_wire *wire, uint64_t injected)
{
    uint8_t frame[2048];
    uint64_t arrived = 0;
    const uint64_t *counters = wire->config.counters;
    while (read(to[1], frame, sizeof frame) >= 0)
        arrived++;
    EXPECT(counters[QL_WIRE_RX_FRAMES] == arrived);
    uint64_t lost = counters[QL_WIRE_DROP_FAULT] + counters[QL_WIRE_DROP_LOSS] +
                    counters[QL_WIRE_DROP_PROTECT] + counters[QL_WIRE_DROP_VALIDATE] +
                    counters[QL_WIRE_DROP_PORT] + counters[QL_WIRE_DROP_QUEUE];
    EXPECT(counters[QL_WIRE_TX_FRAMES] + injected + counters[QL_WIRE_DUPLICATED] ==
           arrived + lost + counters[QL_WIRE_QUEUE_FRAMES]);
    EXPECT(counters[QL_WIRE_QUEUE_FRAMES] == wire->line.queue.frames);
}

/* Any impairment, or none. */
static ql_impairment take_impairment(fuzz_input *input)
{
    uint32_t bits = (uint32_t)take(input, 2);
    return (ql_impairment){
        .loss = bits & 1 ? 0.5 : 0,
        .corrupt = bits & 2 ? 0.5 : 0,
        .duplicate = bits & 4 ? 0.5 : 0,
        .reorder = bits & 8 ? 0.5 : 0,
        .reorder_frames = 1 + (bits >> 4 & 3),
        .delay_ns = bits & 64 ? 1000000 : 0,
        .jitter_ns = bits & 128 ? 1000000 : 0,
        .jitter_model = (bits >> 8 & 3) % 3,
        .loss_model = bits >> 10 & 1,
        .enter_burst = 0.5,
        .leave_burst = 0.5,
        .loss_in_burst = 1,
        .rate_bps = bits & 2048 ? 1000000000 : 0,
        .queue_octets = bits >> 12,
    };
}

/* Impairs the wire otherwise, or lets time pass. */
static void change(ql_wire *wire, fuzz_input *input)
{
    ql_impairment impairment = take_impairment(input);
    ql_line_impair(&wire->line, &impairment);
    uint64_t now_ns = ql_now_ns() + take(input, 1) * 100000;
    while (ql_wire_next_ns(wire) <= now_ns)
        ql_wire_release(wire, &scratch, now_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, data + size};
    fuzz_wire made;
    take_wire(&input, ports, FRAME_OCTETS, &blocks, &made);
    ql_wire *wire = &made.wire;
    uint64_t injected = 0;
    memset(memory, 0, QL_CAPTURE_HEADER_OCTETS);
    ql_capture *capture =
        ql_capture_new(memory, RING_OCTETS, made.bits & 2 ? 64 : 4096, 1 + (made.bits >> 2 & 14));
    EXPECT(ql_captures_add(&wire->line.captures, capture) == 0);
    wire->flip_bit = (uint32_t)take(&input, 2);
    wire->flip_frames = made.bits >> 4 & 1;
    while (input.at < input.end) {
        uint32_t octets;
        uint8_t what = (uint8_t)take(&input, 1);
        uint8_t *frame = take_octets(&input, 0, 0, &octets);
        atomic_store(&wire->blocked, what == 0xFF);
        if (what == 0xFE) {
            change(wire, &input);
        } else if (what & 1) {
            uint32_t count = 1 + (what >> 1 & 3), lengths[4] = {0};
            for (uint32_t i = 0; i < count; i++)
                lengths[i] = octets / count;
            EXPECT(ql_wire_inject(wire, &scratch, frame, lengths, count) == octets / count * count);
            injected += count;
        } else if (octets > 0) { /* none would tell that the port is gone */
            EXPECT(write(from[1], frame, octets) == (ssize_t)octets);
            ql_wire_run(wire, &scratch);
        }
        free(frame);
        read_capture(wire);
    }
    expect_conserved(wire, injected);
    ql_capture_free(capture);
    free_wire(&made);
    return 0;
}

/* Fuzz target: a wire between two ports with offload. What a node's kernel hands over, with whatever header,
 * is cut, crosses and is put together again. */
#include <unistd.h>

#include "coalesce_api.h"
#include "wire_input.h"

enum { FRAME_OCTETS = 300, KINDS = QL_COALESCE_TCP | QL_COALESCE_UDP };

static int from[2], to[2];
static ql_port *ports[2];
static ql_block_pool blocks;
static ql_scratch scratch;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    make_sockets(from);
    make_sockets(to);
    ports[0] = ql_port_new_tap(from[0], KINDS);
    ports[1] = ql_port_new_tap(to[0], KINDS);
    EXPECT(ports[0] != NULL && ports[1] != NULL && ql_scratch_reserve(&scratch, FRAME_OCTETS) == 0);
    return 0;
}

/* Frames in one that arrived: alone and without a header, or more than one. */
static uint64_t frames_in(const uint8_t *octets, uint32_t length)
{
    static const uint8_t none[QL_VNET_HEADER_OCTETS];
    uint8_t segment[FRAME_OCTETS];
    ql_vnet_header header;
    ql_segmenter segmenter;
    EXPECT(length >= sizeof none);
    memcpy(&header, octets, sizeof header);
    if (memcmp(octets, none, sizeof none) == 0)
        return 1;
    EXPECT(ql_segment_begin(&segmenter, &header, octets + sizeof none, length - sizeof none, FRAME_OCTETS) ==
           0);
    uint64_t frames = 0;
    while (ql_segment_next(&segmenter, segment) > 0)
        frames++;
    EXPECT(frames > 1);
    return frames;
}

/* What arrived is what was counted, and what did not is in a drop. */
static void expect_conserved(const uint64_t *counters)
{
    static uint8_t octets[QL_SUPER_FRAME_OCTETS];
    uint64_t arrived = 0, super_frames = 0;
    ssize_t length;
    while ((length = read(to[1], octets, sizeof octets)) >= 0) {
        uint64_t frames = frames_in(octets, (uint32_t)length);
        arrived += frames;
        super_frames += frames > 1;
    }
    EXPECT(counters[QL_WIRE_RX_FRAMES] == arrived && counters[QL_WIRE_RX_SUPER_FRAMES] == super_frames);
    EXPECT(counters[QL_WIRE_TX_FRAMES] == arrived + counters[QL_WIRE_DROP_PROTECT] +
                                              counters[QL_WIRE_DROP_VALIDATE] + counters[QL_WIRE_DROP_PORT] +
                                              counters[QL_WIRE_DROP_LOSS]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, data + size};
    fuzz_wire made;
    take_wire(&input, ports, FRAME_OCTETS, &blocks, &made);
    ql_line_impair(&made.wire.line, &(ql_impairment){.loss = made.bits & 2 ? 0.25 : 0});
    while (input.at < input.end) {
        uint32_t octets, repeated = 1 + (uint32_t)(take(&input, 1) & 3);
        ql_vnet_header header = take_vnet_header(&input);
        uint8_t *frame = take_octets(&input, sizeof header, 0, &octets);
        memcpy(frame, &header, sizeof header);
        while (repeated-- > 0)
            EXPECT(write(from[1], frame, sizeof header + octets) > 0);
        free(frame);
        ql_wire_run(&made.wire, &scratch);
        expect_conserved(made.counters);
        memset(made.counters, 0, sizeof made.counters);
    }
    EXPECT(ql_segments_left(&scratch.segmenter) == 0);
    free_wire(&made);
    return 0;
}

/* Fuzz target: a line and its queue, on time that the input tells. Every frame leaves as it entered, in order
 * but for reordered ones, or is counted. */
#include "burst.h"
#include "input.h"
#include "line_api.h"
#include "wire_api.h"

enum { LONGEST_OCTETS = 70000, HEADER_OCTETS = 12 };

static ql_burst burst;
static uint32_t left, newest; /* frames that left; the number of the newest of them */
static int in_order;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    EXPECT(ql_burst_reserve(&burst, LONGEST_OCTETS) == 0);
    return 0;
}

static ql_impairment take_line_impairment(fuzz_input *input)
{
    uint32_t bits = (uint32_t)take(input, 2);
    return (ql_impairment){
        .loss = bits & 1 ? 0.25 : 0,
        .duplicate = bits & 2 ? 0.25 : 0,
        .reorder = bits & 4 ? 0.25 : 0,
        .reorder_frames = 1 + (bits >> 3 & 7),
        .delay_ns = bits & 64 ? take(input, 3) : 0,
        .jitter_ns = bits & 128 ? take(input, 3) : 0,
        .jitter_model = (bits >> 8 & 3) % 3,
        .loss_model = bits >> 10 & 1,
        .enter_burst = 0.25,
        .leave_burst = 0.5,
        .loss_in_burst = 1,
        .rate_bps = bits & 2048 ? 1 + take(input, 5) : 0,
        .queue_octets = bits & 4096 ? take(input, 3) : 0,
        .queue_ns = bits & 8192 ? take(input, 4) : 0,
    };
}

/* Frames in the burst have left: each is as long as it says and ends with its number. */
static void expect_whole(void)
{
    for (uint32_t i = 0; i < burst.count; i++) {
        uint32_t octets, number, again;
        memcpy(&octets, ql_burst_frame(&burst, i), sizeof octets);
        memcpy(&number, ql_burst_frame(&burst, i) + sizeof octets, sizeof number);
        EXPECT(octets == burst.length[i]);
        memcpy(&again, ql_burst_frame(&burst, i) + octets - sizeof again, sizeof again);
        EXPECT(number == again && (number >= newest || !in_order));
        newest = number > newest ? number : newest;
    }
    left += burst.count;
}

/* Frames of one length enter. */
static void enter(ql_line *line, uint32_t frames, uint32_t octets, uint32_t number, uint64_t now_ns)
{
    burst.count = 0;
    for (uint32_t i = 0; i < frames; i++, number++) {
        uint8_t *frame = ql_burst_slot(&burst);
        memcpy(frame, &octets, sizeof octets);
        memcpy(frame + sizeof octets, &number, sizeof number);
        memcpy(frame + octets - sizeof number, &number, sizeof number);
        ql_burst_push(&burst, octets);
    }
    ql_line_enter(line, &burst, now_ns);
    expect_whole();
}

static void leave(ql_line *line, uint64_t now_ns)
{
    while (ql_line_next_ns(line) <= now_ns) {
        burst.count = 0;
        ql_line_leave(line, &burst, now_ns);
        EXPECT(burst.count > 0 || ql_line_next_ns(line) > now_ns || !in_order);
        expect_whole();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, data + size};
    uint64_t counters[QL_WIRE_COUNTERS] = {0}, now_ns = 0;
    uint32_t entered = 0;
    ql_line *line = ql_line_new(take(&input, 1), counters);
    EXPECT(line != NULL);
    left = newest = 0;
    in_order = 1;
    while (input.at < input.end) {
        uint8_t what = (uint8_t)take(&input, 1);
        if (what & 1) {
            ql_impairment impairment = take_line_impairment(&input);
            in_order &= impairment.reorder == 0;
            ql_line_impair(line, &impairment);
        } else {
            uint32_t frames = 1 + (what >> 2), octets = HEADER_OCTETS + (uint32_t)take(&input, 2);
            now_ns += take(&input, what & 2 ? 3 : 1);
            enter(line, frames, octets, entered, now_ns);
            entered += frames;
        }
        leave(line, now_ns);
        EXPECT(entered + counters[QL_WIRE_DUPLICATED] ==
               left + counters[QL_WIRE_DROP_LOSS] + counters[QL_WIRE_DROP_QUEUE] +
                   counters[QL_WIRE_DROP_MEMORY] + counters[QL_WIRE_QUEUE_FRAMES]);
    }
    if (size % 2 == 0)
        leave(line, UINT64_MAX - 1);
    EXPECT(size % 2 || counters[QL_WIRE_QUEUE_FRAMES] + counters[QL_WIRE_QUEUE_OCTETS] == 0);
    ql_line_free(line);
    return 0;
}

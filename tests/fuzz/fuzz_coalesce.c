/* Fuzz target: frames that came out of a link, put together; the super-frames that come of it can be cut
 * again. */
#include "coalesce_api.h"
#include "input.h"
#include "segment_api.h"

enum { FRAMES = 8, STRIDE = 2048, BEFORE = 16 };

/* A frame as it is, or like the one before but for some octets, so that some go together. */
static void take_frames(fuzz_input *input, ql_batch *batch)
{
    for (uint32_t i = 0; i < FRAMES && input->at < input->end; i++) {
        uint32_t octets;
        uint8_t changes = (uint8_t)take(input, 1), *to = batch->arena + STRIDE * i + BEFORE;
        if (i == 0 || changes == 0) {
            uint8_t *frame = take_octets(input, 0, 0, &octets);
            memcpy(to, frame, octets);
            free(frame);
        } else {
            octets = batch->length[i - 1];
            memcpy(to, to - STRIDE, octets);
            for (int change = 0; change < (changes & 15); change++) {
                uint8_t at = (uint8_t)take(input, 1), octet = (uint8_t)take(input, 1);
                if (at < octets)
                    to[at] = octet;
            }
        }
        batch->offset[i] = STRIDE * i + BEFORE;
        batch->length[i] = octets;
        batch->count++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t arena[FRAMES * STRIDE], whole[FRAMES * STRIDE], segment[STRIDE];
    uint32_t offset[FRAMES], length[FRAMES], pieces = 0;
    fuzz_input input = {data, data + size};
    ql_batch batch = {.arena = arena, .arena_size = sizeof arena, .offset = offset, .length = length};
    uint32_t kinds = (uint32_t)take(&input, 1) & 3;
    ql_coalesced coalesced;
    take_frames(&input, &batch);
    ql_coalesce(&batch, kinds, &coalesced);
    EXPECT(coalesced.count <= batch.count);
    for (uint32_t i = 0; i < coalesced.count; i++) {
        const ql_super_frame *super_frame = &coalesced.super_frames[i];
        uint32_t octets = 0;
        EXPECT(super_frame->first == pieces && super_frame->pieces > 0);
        for (; pieces < super_frame->first + super_frame->pieces; pieces++) {
            EXPECT(coalesced.offset[pieces] + coalesced.length[pieces] <= sizeof arena);
            memcpy(whole + octets, arena + coalesced.offset[pieces], coalesced.length[pieces]);
            octets += coalesced.length[pieces];
        }
        EXPECT(octets == super_frame->octets + QL_VNET_HEADER_OCTETS);
        ql_vnet_header header;
        memcpy(&header, whole, sizeof header);
        EXPECT((super_frame->pieces > 1) == (header.gso_type != QL_VNET_GSO_NONE));
        if (super_frame->pieces == 1)
            continue;
        ql_segmenter segmenter;
        EXPECT(ql_segment_begin(&segmenter, &header, whole + QL_VNET_HEADER_OCTETS, super_frame->octets,
                                STRIDE) == 0);
        uint32_t cut = 0;
        while (ql_segment_next(&segmenter, segment) > 0)
            cut++;
        EXPECT(cut == super_frame->pieces);
    }
    EXPECT(pieces == batch.count);
    return 0;
}

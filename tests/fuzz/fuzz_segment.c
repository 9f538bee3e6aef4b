/* Fuzz target: a super-frame of a node, whatever its header says, and the checksum of a frame that is none.
 */
#include "checksum.h"
#include "input.h"
#include "segment_api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, data + size};
    ql_vnet_header header = take_vnet_header(&input);
    uint32_t frame_octets = (uint32_t)take(&input, 2), octets, cut = 0, payload = 0;
    uint8_t *frame = take_octets(&input, 0, 0, &octets), *to = malloc(frame_octets + !frame_octets);
    ql_segmenter segmenter;
    if (ql_segment_begin(&segmenter, &header, frame, octets, frame_octets) == 0) {
        uint32_t expected = ql_segments_left(&segmenter), segment;
        EXPECT(expected > 0);
        while ((segment = ql_segment_next(&segmenter, to)) > 0) {
            EXPECT(segment <= frame_octets && segment > segmenter.payload);
            payload += segment - segmenter.payload;
            cut++;
        }
        EXPECT(cut == expected && payload == octets - segmenter.payload);
    }
    if (ql_checksum_complete(&header, frame, octets) == 0 && header.flags & 1)
        EXPECT(header.csum_start + header.csum_offset + 2u <= octets);
    free(to);
    free(frame);
    return 0;
}

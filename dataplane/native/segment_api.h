#pragma once
#include "vnet_api.h"
#include <stdint.h>

/* Super-frames of a kernel cut into the frames that a NIC would send. */

enum ql_segment_error {
    QL_SEGMENT_MALFORMED = -1, /* no kernel hands over such a super-frame */
    QL_SEGMENT_TOO_LONG = -2   /* its segments do not fit in frame_octets */
};

/* A super-frame on its way; filled in by ql_segment_begin. Sums are as those of checksum.h. */
typedef struct {
    const uint8_t *frame;
    uint32_t octets;
    uint32_t at;             /* the next octet of payload */
    uint32_t segment_octets; /* of payload */
    uint32_t index;          /* of the next segment */
    uint32_t network;        /* where its headers begin */
    uint32_t transport;
    uint32_t payload;
    uint8_t ipv6;
    uint8_t tcp;
    uint64_t network_sum; /* of what all segments have in their headers alike */
    uint64_t transport_sum;
} ql_segmenter;

/* Begins with a super-frame, whose octets stay the caller's until its last segment. 0 or a ql_segment_error.
 */
int ql_segment_begin(ql_segmenter *segmenter, const ql_vnet_header *header, const uint8_t *frame,
                     uint32_t octets, uint32_t frame_octets);
/* Segments that are left; none of a segmenter of zeros. */
uint32_t ql_segments_left(const ql_segmenter *segmenter);
/* Writes the next segment, of at most frame_octets; returns its octets, 0 when none is left. */
uint32_t ql_segment_next(ql_segmenter *segmenter, uint8_t *to);

/* Completes the checksum of a frame that is no super-frame, in place, where the header asks for it. -1 where
   the field lies outside the frame. */
int ql_checksum_complete(const ql_vnet_header *header, uint8_t *frame, uint32_t octets);

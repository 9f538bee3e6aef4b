#pragma once
#include "secy_api.h"
#include "vnet_api.h"
#include <stdint.h>

/* Frames of a burst put together to super-frames, under the rules of Linux's GRO, and stricter in one: a
   frame takes part only if all its checksums were verified, because a TAP device takes the word of whoever
   writes to it. */

enum {
    QL_COALESCE_FRAMES = 64 /* at most; also the most segments that a kernel takes of UDP */
};

enum ql_coalesce {
    QL_COALESCE_TCP = 1,
    QL_COALESCE_UDP = 2 /* which kernels take since 6.2 */
};

/* A frame alone, or a super-frame: a header of QL_VNET_HEADER_OCTETS and then frames, all in pieces. */
typedef struct {
    uint32_t first;        /* piece */
    uint32_t pieces;       /* one for each frame */
    uint32_t octets;       /* without the header */
    uint32_t frame_octets; /* of all its frames as they came */
} ql_super_frame;

/* Piece i is offset[i] .. + length[i] of the batch's arena. */
typedef struct {
    uint32_t count;
    ql_super_frame super_frames[64]; /* QL_COALESCE_FRAMES */
    uint32_t offset[64];
    uint32_t length[64];
} ql_coalesced;

/* Puts the frames of a batch, at most QL_COALESCE_FRAMES, together where ql_coalesce `kinds` allow, in place:
   super-frames are in the order of their first frames, and no frame overtakes another of its flow, nor one
   whose flow cannot be told. Each frame has QL_VNET_HEADER_OCTETS of its own in front. */
void ql_coalesce(const ql_batch *batch, uint32_t kinds, ql_coalesced *coalesced);

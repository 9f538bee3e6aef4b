/* A worker's workplace: the burst that it carries, and the super-frame that the burst is cut from. */
#pragma once
#include "burst.h"
#include "segment_api.h"

enum {
    /* An IP packet behind an Ethernet header and a number of VLAN tags, and what a TAP device says of it. */
    QL_SUPER_FRAME_OCTETS = QL_VNET_HEADER_OCTETS + 65535 + 255
};

typedef struct {
    ql_burst burst;
    uint8_t *super_frame;   /* with its header; read by a port with offload */
    ql_segmenter segmenter; /* what is left of it */
} ql_scratch;

/* Makes room for frames of frame_octets; -1 where memory is short. What was in the scratch is lost. */
int ql_scratch_reserve(ql_scratch *scratch, uint32_t frame_octets);
void ql_scratch_clear(ql_scratch *scratch);

#pragma once
#include <stdint.h>

enum { QL_BURST = 64, QL_HEADROOM = 32, QL_TAILROOM = 32 };

/* The frames that a worker carries at once, in slots of one arena. Slots are `stride` octets apart. A frame
   put into one begins QL_HEADROOM behind the slot's start and leaves QL_TAILROOM at its end, for the SecTAG
   and the ICV. */
typedef struct {
    uint8_t *arena;
    uint64_t stride;
    uint32_t count; /* frames in the first slots */
    uint32_t offset[QL_BURST];
    uint32_t length[QL_BURST];
    uint8_t verdict[QL_BURST];
} ql_burst;

/* Makes the slots hold frames of frame_octets, and one octet more, which tells a longer frame from one that
   just fits; -1 where memory is short. The burst's frames are lost then. */
int ql_burst_reserve(ql_burst *burst, uint32_t frame_octets);

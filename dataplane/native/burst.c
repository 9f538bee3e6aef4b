/* The arena of a burst. */
#include "burst.h"

#include <stdlib.h>

int ql_burst_reserve(ql_burst *burst, uint32_t frame_octets)
{
    uint64_t stride = ((uint64_t)QL_HEADROOM + frame_octets + 1 + QL_TAILROOM + 63) & ~(uint64_t)63;
    if (stride <= burst->stride)
        return 0;
    uint8_t *arena = realloc(burst->arena, stride * QL_BURST);
    if (arena == NULL)
        return -1;
    burst->arena = arena;
    burst->stride = stride;
    burst->count = 0;
    return 0;
}

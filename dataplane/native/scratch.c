/* The memory of a worker's workplace. */
#include "scratch.h"

#include <stdlib.h>
#include <string.h>

int ql_scratch_reserve(ql_scratch *scratch, uint32_t frame_octets)
{
    if (scratch->super_frame == NULL)
        scratch->super_frame = malloc(QL_SUPER_FRAME_OCTETS);
    return scratch->super_frame != NULL ? ql_burst_reserve(&scratch->burst, frame_octets) : -1;
}

void ql_scratch_clear(ql_scratch *scratch)
{
    free(scratch->burst.arena);
    free(scratch->super_frame);
    memset(scratch, 0, sizeof *scratch);
}

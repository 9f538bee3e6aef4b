/* The histogram for callers that are not C. */
#include "histogram.h"

void ql_histogram_add(uint64_t *histogram, uint64_t value_ns)
{
    ql_histogram_count(histogram, value_ns);
}

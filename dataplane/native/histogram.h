/* Histograms in HdrHistogram's layout: a value's slot (CountsArrayIndex in HdrHistogram's own words). */
#pragma once
#include "histogram_api.h"

#define QL_HISTOGRAM_LONGEST_NS UINT64_C(10000000000)

enum { QL_SUB_BUCKET_BITS = 11 }; /* 2048 sub-buckets: the least power of two with three digits in a half */

/* Bucket 0 counts every value below 2048 by itself; each further one spans twice as far in 1024 steps. */
static inline uint32_t ql_histogram_slot(uint64_t value_ns)
{
    const uint32_t half = 1u << (QL_SUB_BUCKET_BITS - 1);
    uint64_t at_least_a_bucket = value_ns | ((1u << QL_SUB_BUCKET_BITS) - 1);
    uint32_t bucket = 64 - QL_SUB_BUCKET_BITS - (uint32_t)__builtin_clzll(at_least_a_bucket);
    return bucket * half + (uint32_t)(value_ns >> bucket);
}

static inline void ql_histogram_count(uint64_t *histogram, uint64_t value_ns)
{
    uint64_t bounded_ns = value_ns < QL_HISTOGRAM_LONGEST_NS ? value_ns : QL_HISTOGRAM_LONGEST_NS;
    uint64_t *count = &histogram[ql_histogram_slot(bounded_ns)];
    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

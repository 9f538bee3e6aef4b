#pragma once
#include <stdint.h>

/* Times in the layout of HdrHistogram: three significant digits from 1 ns to 10 s, in log-linear slots. A
   histogram is an array of QL_HISTOGRAM_SLOTS counts with one writer; others may read it meanwhile. */
enum { QL_HISTOGRAM_SLOTS = 25600 };

/* Counts one value; what is longer than 10 s counts as that. */
void ql_histogram_add(uint64_t *histogram, uint64_t value_ns);

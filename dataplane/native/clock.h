/* The clock of everything that the core times: CLOCK_MONOTONIC, in nanoseconds. */
#pragma once
#include <stdint.h>
#include <time.h>

#define QL_NS_PER_S 1000000000ull

static inline uint64_t ql_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * QL_NS_PER_S + (uint64_t)now.tv_nsec;
}

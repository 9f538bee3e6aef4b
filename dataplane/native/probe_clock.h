/* What the probes' loops share: the time, waits for a deadline, and counters that one thread writes. */
#pragma once
#include "clock.h"

#define QL_STOP_CHECK_NS UINT64_C(20000000) /* longest wait between two looks at a request to stop */

static inline uint64_t ql_load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static inline void ql_store(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELEASE);
}

/* Each counter has one writer, so a load and a store are enough and no locked instruction is needed. */
static inline void ql_add(uint64_t *counter, uint64_t number)
{
    ql_store(counter, ql_load(counter) + number);
}

/* What the calling thread has used of a core, the network stack's work for it included. */
static inline uint64_t ql_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * QL_NS_PER_S + (uint64_t)used.tv_nsec;
}

/* Waits for the deadline, asleep or spinning. Returns the time, or 0 where `stop` became other than 0. */
static inline uint64_t ql_wait_until(uint64_t deadline_ns, int spin, const uint64_t *stop)
{
    while (!ql_load(stop)) {
        uint64_t now_ns = ql_now_ns();
        if (now_ns >= deadline_ns)
            return now_ns;
        if (spin)
            continue;
        uint64_t until_ns = deadline_ns - now_ns > QL_STOP_CHECK_NS ? now_ns + QL_STOP_CHECK_NS : deadline_ns;
        struct timespec until = {(time_t)(until_ns / QL_NS_PER_S), (long)(until_ns % QL_NS_PER_S)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    return 0;
}

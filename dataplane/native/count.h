/* Counters in shared memory. */
#pragma once
#include <stdint.h>

/* One writer, and readers in other processes that must never see a torn value. */
static inline void ql_count(uint64_t *counter, uint64_t by)
{
    __atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

/* The same for a value that rises and falls. */
static inline void ql_tell(uint64_t *gauge, uint64_t value)
{
    __atomic_store_n(gauge, value, __ATOMIC_RELAXED);
}

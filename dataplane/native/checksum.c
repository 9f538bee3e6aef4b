/* The Internet checksum of many octets: plain loops, which compilers turn into vectors. */
#include "checksum.h"

#ifdef __clang__
#define VECTORISED
#else
#define VECTORISED __attribute__((optimize("O3"))) /* of gcc 12, -O2 leaves them as they are */
#endif

/* `to` is NULL, which the compiler sees, or where a copy goes. `all` overflows, but once the high halves,
   which are counted apart, are taken out it is right again. */
static inline __attribute__((always_inline)) uint64_t sum_octets(uint8_t *restrict to,
                                                                 const uint8_t *restrict from, size_t length)
{
    uint64_t all = 0, high = 0;
    size_t at = length & ~(size_t)7;
#pragma GCC unroll 2
    for (size_t i = 0; i < at; i += 8) {
        uint64_t words = ql_load64(from + i);
        if (to != NULL)
            memcpy(to + i, &words, sizeof words);
        all += words;
        high += words >> 32;
    }
    if (length & 4) {
        uint32_t word = ql_load32(from + at);
        if (to != NULL)
            ql_store32(to + at, word);
        all += word;
        at += 4;
    }
    uint8_t last[4] = {0};
    for (size_t i = 0; i < (length & 3); i++) {
        last[i] = from[at + i];
        if (to != NULL)
            to[at + i] = last[i];
    }
    return all - (high << 32) + high + ql_load32(last);
}

#ifdef __x86_64__
#define AVX2 VECTORISED __attribute__((target("avx2")))

static AVX2 uint64_t sum_avx2(const uint8_t *octets, uint32_t length)
{
    return sum_octets(NULL, octets, length);
}

static AVX2 uint64_t copy_sum_avx2(uint8_t *to, const uint8_t *from, uint32_t length)
{
    return sum_octets(to, from, length);
}
#endif

VECTORISED uint64_t ql_sum(const uint8_t *octets, uint32_t length)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        return sum_avx2(octets, length);
#endif
    return sum_octets(NULL, octets, length);
}

VECTORISED uint64_t ql_copy_sum(uint8_t *to, const uint8_t *from, uint32_t length)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        return copy_sum_avx2(to, from, length);
#endif
    return sum_octets(to, from, length);
}

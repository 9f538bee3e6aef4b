/* The Internet checksum of many octets: plain loops, which compilers turn into vectors. */
#include "checksum.h"

#ifdef __clang__
#define VECTORISED
#else
#define VECTORISED __attribute__((optimize("O3"))) /* of gcc 12, -O2 leaves them as they are */
#endif

/* `to` is NULL, which the compiler sees, or where a copy goes. */
static inline __attribute__((always_inline)) uint64_t sum_octets(uint8_t *restrict to,
                                                                 const uint8_t *restrict from, size_t length)
{
    uint64_t sum = 0;
    size_t words = length / 4, at = words * 4;
    for (size_t i = 0; i < words; i++) {
        uint32_t word = ql_load32(from + 4 * i);
        if (to != NULL)
            ql_store32(to + 4 * i, word);
        sum += word;
    }
    uint8_t rest[4] = {0};
    for (; at < length; at++) {
        rest[at & 3] = from[at];
        if (to != NULL)
            to[at] = from[at];
    }
    return sum + ql_load32(rest);
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

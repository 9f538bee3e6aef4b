/* The Internet checksum (RFC 1071). A sum is of 16-bit words in the machine's byte order, with carries not
   yet folded in: sums may be added, and `length` values and the like go in by htons. */
#pragma once
#include <stdint.h>
#include <string.h>

/* The sum of octets, of which an odd last one counts as if a zero followed. */
uint64_t ql_sum(const uint8_t *octets, uint32_t length);
/* Copies octets, which do not overlap, and returns their sum. */
uint64_t ql_copy_sum(uint8_t *to, const uint8_t *from, uint32_t length);

static inline uint16_t ql_fold(uint64_t sum)
{
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16 & 0xFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)((sum & 0xFFFF) + (sum >> 16));
}

/* What to add for taking a word out of a sum. */
static inline uint16_t ql_sum_without(uint16_t word)
{
    return (uint16_t)~word;
}

static inline uint16_t ql_load16(const uint8_t *at)
{
    uint16_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint32_t ql_load32(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint64_t ql_load64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline void ql_store16(uint8_t *at, uint16_t word)
{
    memcpy(at, &word, sizeof word);
}

static inline void ql_store32(uint8_t *at, uint32_t word)
{
    memcpy(at, &word, sizeof word);
}

/* The sum of a header: a short run of 32-bit words. */
static inline uint64_t ql_sum_header(const uint8_t *octets, uint32_t length)
{
    uint64_t sum = 0;
    for (uint32_t at = 0; at < length; at += 4)
        sum += ql_load32(octets + at);
    return sum;
}

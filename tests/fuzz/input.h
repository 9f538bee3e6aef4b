/* What the fuzz targets share: octets of the input taken as numbers, parameters and frames. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "secy_api.h"
#include "vnet_api.h"

/* Ends the run, so that libFuzzer keeps the input, unless the condition holds. */
#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} fuzz_input;

static const uint8_t own_sci[8] = {2, 0, 0, 0, 0, 0, 0, 1};

/* The next octets as a big-endian number; past the end they are 0. */
static inline uint64_t take(fuzz_input *input, int octets)
{
    uint64_t value = 0;
    while (octets-- > 0)
        value = value << 8 | (input->at < input->end ? *input->at++ : 0);
    return value;
}

/* The next octets, their number first, in memory that ends where they do: ASan sees every octet beyond. */
static inline uint8_t *take_octets(fuzz_input *input, uint32_t room_before, uint32_t room_behind,
                                   uint32_t *octets)
{
    *octets = (uint32_t)take(input, 1) * (take(input, 1) & 1 ? 5 : 1);
    if (*octets > (uint64_t)(input->end - input->at))
        *octets = (uint32_t)(input->end - input->at);
    uint8_t *memory = calloc(1, room_before + *octets + room_behind + !*octets);
    memcpy(memory + room_before, input->at, *octets);
    input->at += *octets;
    return memory;
}

/* One of sixteen, four to a source address: ports 0 and 1 have a meaning. */
static inline void take_sci(fuzz_input *input, uint8_t sci[8])
{
    uint8_t which = (uint8_t)take(input, 1);
    memcpy(sci, own_sci, 8);
    sci[5] = which >> 2 & 3;
    sci[7] = which & 3;
}

/* Anything, so that some are refused. */
static inline ql_secy_config take_config(fuzz_input *input)
{
    uint16_t bits = (uint16_t)take(input, 2);
    ql_secy_config config = {
        .sak_octets = bits & 1 ? 32 : 16,
        .xpn = bits >> 1 & 1,
        .validate_frames = bits >> 2 & 3,
        .protect_frames = !(bits >> 4 & 1),
        .replay_protect = !(bits >> 5 & 1),
        .detect_duplicates = bits >> 6 & 1,
        .always_include_sci = bits >> 7 & 1,
        .use_es = bits >> 8 & 1,
        .use_scb = bits >> 9 & 1,
        .clear_tags = bits >> 10 & 3,
        .bypass_count = bits >> 12 & 3,
        .bypass = {0x88CC, 0x0800, 0x8100},
        .replay_window = (uint32_t)take(input, 1),
        .mtu = bits >> 14 & 1 ? 100 : 0,
    };
    if (bits >> 15)
        config.replay_window <<= 24;
    memcpy(config.sci, own_sci, sizeof config.sci);
    return config;
}

/* Keys are few, so that peers share them; `key` is where it is to lie. */
static inline ql_sak take_sak(fuzz_input *input, const ql_secy_config *config, uint8_t key[32])
{
    uint8_t bits = (uint8_t)take(input, 1);
    memset(key, 1 + (bits & 1), 32);
    ql_sak sak = {.key = key, .ssci = bits >> 1 & 3, .encrypt = bits >> 3 & 1};
    static const uint8_t offsets[4] = {0, 30, 50, 31};
    sak.confidentiality_offset = config->xpn ? 0 : offsets[bits >> 4 & 3];
    memset(sak.salt, bits & 1, sizeof sak.salt);
    return sak;
}

/* One near 1, near 2^31, near 2^32, or any. */
static inline uint64_t take_pn(fuzz_input *input)
{
    uint8_t bits = (uint8_t)take(input, 1);
    static const uint64_t bases[4] = {0, UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 33};
    if (bits >> 7)
        return take(input, 8);
    return bases[bits >> 5] + (bits & 31) - 16 * !!(bits >> 5);
}

/* What a node's kernel says of a frame, true or not. */
static inline ql_vnet_header take_vnet_header(fuzz_input *input)
{
    static const uint8_t types[8] = {0, 1, 4, 5, 3, 0x81, 0x84, 0x85};
    uint8_t bits = (uint8_t)take(input, 1);
    return (ql_vnet_header){
        .flags = bits & 3,
        .gso_type = types[bits >> 2 & 7],
        .gso_size = (uint16_t)take(input, bits & 32 ? 2 : 1),
        .csum_start = (uint16_t)take(input, bits & 64 ? 2 : 1),
        .csum_offset = (uint16_t)take(input, bits & 128 ? 2 : 1),
    };
}

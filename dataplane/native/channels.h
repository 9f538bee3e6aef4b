#pragma once
#include <stdint.h>
#include <string.h>

#include "cipher.h"

/* The receive SCs of a SecY (IEEE 802.1AE-2018 10.7.11 to 10.7.14), found by SCI in the same time however
   many there are. */

enum { QL_ASSOCIATIONS = 4, QL_SAK_DIGEST_OCTETS = 32 };

/* Twice what a window that detects duplicates can have, since words are cleared as a whole. A power of two.
 */
enum { QL_SEEN_WORDS = 128 };

typedef struct {
    void *key;          /* NULL: no SA */
    uint64_t lowest_pn; /* 10.6.5 */
    uint64_t next_pn;   /* 0 behind the last of XPN */
    uint64_t *seen;     /* QL_SEEN_WORDS words of packet numbers below next_pn that were accepted, or NULL */
    uint8_t nonce[QL_NONCE_OCTETS]; /* of packet number 0 */
    uint8_t confidentiality_offset;
    uint8_t exhausted; /* lowest_pn would be 2^64 */
    uint32_t ssci;
    uint8_t sak_digest[QL_SAK_DIGEST_OCTETS];
} ql_receive_sa;

typedef struct {
    uint64_t counters[QL_SECY_CHANNEL_COUNTERS]; /* a cache line */
    uint8_t sci[8];
    uint32_t sa_count;
    ql_receive_sa sa[QL_ASSOCIATIONS];
} ql_receive_channel;

/* Open addressing; at most half of the slots are taken. */
typedef struct {
    ql_receive_channel **slots;
    uint32_t mask; /* slots - 1 */
    uint32_t shift;
    uint32_t count;
    ql_receive_channel *only;             /* the one channel, where there is just one */
    ql_receive_channel *only_single_copy; /* the one with Port Identifier 0, likewise */
} ql_channels;

/* Multiplicative hashing (Knuth, The Art of Computer Programming, 6.4) with 2^64 over the golden ratio. */
static inline uint32_t ql_channel_home(const ql_channels *channels, const uint8_t *sci)
{
    uint64_t value;
    memcpy(&value, sci, sizeof value);
    return (uint32_t)(value * 0x9E3779B97F4A7C15u >> channels->shift);
}

/* The SC with that SCI, or NULL. */
static inline ql_receive_channel *ql_channel_find(const ql_channels *channels, const uint8_t *sci)
{
    for (uint32_t at = ql_channel_home(channels, sci);; at = (at + 1) & channels->mask) {
        ql_receive_channel *channel = channels->slots[at];
        if (channel == NULL || memcmp(channel->sci, sci, 8) == 0)
            return channel;
    }
}

/* 0 where memory is short. */
int ql_channels_init(ql_channels *channels);
/* Frees the table; the channels must have gone. */
void ql_channels_free(ql_channels *channels);
/* Adds a channel whose SCI is new; 0 where memory is short. */
int ql_channels_add(ql_channels *channels, ql_receive_channel *channel);
/* Forgets a channel that is there, and leaves it to the caller. */
void ql_channels_remove(ql_channels *channels, const ql_receive_channel *channel);
/* Whether an SC other than `except`, which may be NULL, has an SA with that SAK and SSCI. */
int ql_channels_use(const ql_channels *channels, const ql_receive_channel *except, const uint8_t *sak_digest,
                    uint32_t ssci);

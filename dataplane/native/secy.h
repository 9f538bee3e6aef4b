#pragma once
#include <endian.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "channels.h"
#include "cipher.h"
#include "sectag.h"

/* What a SecY holds. The transmit and the receive side have each a lock and memory of their own, so that
   their two threads never wait for each other or share a cache line. Whoever changes keys or parameters holds
   `management`, and may read both sides; the lock of a side keeps its frames out meanwhile. */

/* Counts packet numbers per key and outlives the SA, so that no SAK meets the same PN twice; nor, with XPN,
   another salt, which could make the nonce of one PN that of another. */
typedef struct ql_sak_use {
    struct ql_sak_use *next;
    uint8_t sak_digest[QL_SAK_DIGEST_OCTETS];
    uint8_t salt[QL_SALT_OCTETS];
    uint64_t next_pn; /* 0 behind the last of XPN */
} ql_sak_use;

typedef struct {
    void *key; /* NULL: no SA */
    ql_sak_use *use;
    uint64_t last_pn;
    uint8_t nonce[QL_NONCE_OCTETS]; /* of packet number 0 */
    uint8_t tci;                    /* E, C and AN */
    uint8_t confidentiality_offset;
    uint32_t ssci;
    uint8_t sak[QL_SECY_SAK_OCTETS]; /* kept for ql_secy_export_sak */
} ql_transmit_sa;

typedef struct {
    pthread_mutex_t lock;
    uint64_t *counters;
    const ql_cipher_library *cipher;
    ql_secy_config config;
    uint32_t receive_channels; /* of the other side, for Table 10-1 */
    ql_transmit_sa *encoding;  /* the SA in use, or NULL */
    uint64_t alarm_pn;
    int alarmed;
    ql_sak_use *uses;
    ql_transmit_sa sa[QL_ASSOCIATIONS];
} ql_transmit_side;

typedef struct {
    pthread_mutex_t lock;
    uint64_t *counters;
    const ql_cipher_library *cipher;
    ql_secy_config config;
    ql_channels channels;
} ql_receive_side;

struct ql_secy {
    pthread_mutex_t management;
    ql_transmit_side *transmit;
    ql_receive_side *receive;
    uint64_t *own_counters;
};

/* Zeroed memory on cache lines of its own; NULL without memory. */
void *ql_new_lines(size_t octets);
/* Wipe and free what a side holds. */
void ql_secy_drop_transmit(ql_transmit_side *side);
void ql_secy_drop_receive(ql_receive_side *side);
/* The SHA-256 of a SAK, which tells keys apart. */
void ql_sak_digest(const ql_secy_config *config, const ql_sak *sak, uint8_t digest[QL_SAK_DIGEST_OCTETS]);
/* The nonce of packet number 0, 14.5 to 14.8: SCI and PN, or SSCI and PN combined with the salt. */
void ql_sa_nonce(const ql_secy_config *config, const uint8_t sci[8], const ql_sak *sak,
                 uint8_t nonce[QL_NONCE_OCTETS]);
/* Whether `pn` is a packet number of the suite. */
int ql_usable_pn(const ql_secy_config *config, uint64_t pn);
int ql_usable_sak(const ql_secy_config *config, const ql_sak *sak);

/* Whether a SecY with these parameters protects what it sends. */
static inline int ql_protects(const ql_secy_config *config)
{
    return config->protect_frames && config->validate_frames != QL_VALIDATE_NULL;
}

/* Whether that SA may use another packet number. */
static inline int ql_sendable(const ql_transmit_sa *sa)
{
    return sa != NULL && sa->use->next_pn != 0 && sa->use->next_pn <= sa->last_pn;
}

/* The nonce of packet number pn, from that of packet number 0; its low 8 octets hold the PN, of which the
   upper half is 0 where PNs have 32 bits. */
static inline void ql_nonce(uint8_t *nonce, const uint8_t *of_zero, uint64_t pn)
{
    uint64_t low;
    memcpy(nonce, of_zero, 4);
    memcpy(&low, of_zero + 4, sizeof low);
    low ^= htobe64(pn);
    memcpy(nonce + 4, &low, sizeof low);
}

static inline int ql_bypasses(const ql_secy_config *config, const uint8_t *frame)
{
    for (uint32_t i = 0; i < config->bypass_count; i++)
        if (ql_ethertype(frame + QL_ADDRESS_OCTETS) == config->bypass[i])
            return 1;
    return 0;
}

/* Whether frame i lies in the arena with that much room around it. */
static inline int ql_fits(const ql_batch *batch, uint32_t i, uint64_t room_before, uint64_t room_behind)
{
    uint64_t offset = batch->offset[i];
    return offset >= room_before && offset + batch->length[i] + room_behind <= batch->arena_size;
}

/* Counts in the slot of a verdict. One writer, and readers in other processes that must never see a torn
   value. */
static inline void ql_count(uint64_t *counters, uint8_t verdict, uint64_t by)
{
    __atomic_store_n(&counters[verdict - 1], counters[verdict - 1] + by, __ATOMIC_RELAXED);
}

/* Writes down what became of frame i. */
static inline void ql_conclude(const ql_batch *batch, uint32_t i, uint8_t verdict, uint64_t *counters)
{
    batch->verdict[i] = verdict;
    if (verdict <= QL_SECY_COUNTERS)
        ql_count(counters, verdict, 1);
}

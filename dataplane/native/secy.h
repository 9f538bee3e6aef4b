#pragma once
#include <pthread.h>
#include <stdint.h>

#include "cipher.h"

/* What a SecY holds. The transmit and the receive side have each a lock and memory of their own, so that
   their two threads never wait for each other or share a cache line. */

enum { QL_ASSOCIATIONS = 4, QL_SAK_DIGEST_OCTETS = 32 };

/* Counts packet numbers per key and outlives the SA, so that no SAK meets the same PN twice. */
typedef struct {
    uint8_t sak_digest[QL_SAK_DIGEST_OCTETS];
    uint64_t next_pn; /* QL_PN_END when exhausted */
} ql_sak_use;

#define QL_PN_END (UINT64_C(1) << 32)

typedef struct {
    pthread_mutex_t lock;
    uint64_t *counters;
    const ql_cipher_library *cipher;
    uint8_t sci[8];
    int encoding_sa; /* the AN in use, or -1 */
    struct {
        void *key; /* NULL: no SA */
        uint32_t use;
        uint8_t sak[QL_SECY_SAK_OCTETS]; /* kept for ql_secy_export_sak */
    } sa[QL_ASSOCIATIONS];
    ql_sak_use *uses;
    uint32_t use_count;
} ql_transmit_side;

typedef struct {
    void *key; /* NULL: no SA */
    uint64_t lowest_pn;
    uint8_t sak_digest[QL_SAK_DIGEST_OCTETS];
} ql_receive_sa;

typedef struct {
    uint8_t sci[8];
    uint32_t sa_count; /* 0: the slot is free */
    ql_receive_sa sa[QL_ASSOCIATIONS];
} ql_receive_channel;

typedef struct {
    pthread_mutex_t lock;
    uint64_t *counters;
    const ql_cipher_library *cipher;
    uint32_t replay_window;
    ql_receive_channel channel[QL_SECY_RECEIVE_CHANNELS];
} ql_receive_side;

struct ql_secy {
    ql_transmit_side *transmit;
    ql_receive_side *receive;
    uint64_t *own_counters;
};

/* The SC with that SCI, or NULL. */
static inline ql_receive_channel *ql_find_channel(ql_receive_side *side, const uint8_t *sci)
{
    for (uint32_t i = 0; i < QL_SECY_RECEIVE_CHANNELS; i++) {
        ql_receive_channel *channel = &side->channel[i];
        if (channel->sa_count != 0 && memcmp(channel->sci, sci, 8) == 0)
            return channel;
    }
    return NULL;
}

/* Whether frame i lies in the arena with that much room around it. */
static inline int ql_fits(const ql_batch *batch, uint32_t i, uint64_t room_before, uint64_t room_behind)
{
    uint64_t offset = batch->offset[i];
    return offset >= room_before && offset + batch->length[i] + room_behind <= batch->arena_size;
}

/* Counts in the slot of a verdict. One writer, and readers in other processes that must never see a torn
 * value. */
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

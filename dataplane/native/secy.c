/* The SecY's life and its management, IEEE 802.1AE-2018 clause 10.7. */
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "secy.h"

enum { CACHE_LINE_OCTETS = 64 };

static void *new_lines(size_t octets)
{
    octets = (octets + CACHE_LINE_OCTETS - 1) / CACHE_LINE_OCTETS * CACHE_LINE_OCTETS;
    void *memory = aligned_alloc(CACHE_LINE_OCTETS, octets);
    if (memory != NULL)
        memset(memory, 0, octets);
    return memory;
}

static int usable_pn(uint64_t pn)
{
    return pn >= 1 && pn < QL_PN_END;
}

ql_secy *ql_secy_new(const uint8_t sci[8], uint32_t replay_window, const char *cipher_library,
                     uint64_t *counters)
{
    const ql_cipher_library *cipher = ql_cipher_library_find(cipher_library);
    ql_secy *secy = cipher != NULL ? calloc(1, sizeof *secy) : NULL;
    if (secy == NULL)
        return NULL;
    secy->transmit = new_lines(sizeof *secy->transmit);
    secy->receive = new_lines(sizeof *secy->receive);
    if (counters == NULL)
        counters = secy->own_counters = new_lines(QL_SECY_COUNTERS * sizeof *counters);
    if (secy->transmit == NULL || secy->receive == NULL || counters == NULL) {
        free(secy->transmit);
        free(secy->receive);
        free(secy->own_counters);
        free(secy);
        return NULL;
    }
    pthread_mutex_init(&secy->transmit->lock, NULL);
    pthread_mutex_init(&secy->receive->lock, NULL);
    secy->transmit->counters = secy->receive->counters = counters;
    secy->transmit->cipher = secy->receive->cipher = cipher;
    memcpy(secy->transmit->sci, sci, sizeof secy->transmit->sci);
    secy->transmit->encoding_sa = -1;
    secy->receive->replay_window = replay_window;
    return secy;
}

void ql_secy_free(ql_secy *secy)
{
    if (secy == NULL)
        return;
    const ql_cipher_library *cipher = secy->transmit->cipher;
    for (int an = 0; an < QL_ASSOCIATIONS; an++) {
        cipher->free_key(secy->transmit->sa[an].key);
        for (int i = 0; i < QL_SECY_RECEIVE_CHANNELS; i++)
            cipher->free_key(secy->receive->channel[i].sa[an].key);
    }
    pthread_mutex_destroy(&secy->transmit->lock);
    pthread_mutex_destroy(&secy->receive->lock);
    free(secy->transmit->uses);
    OPENSSL_cleanse(secy->transmit, sizeof *secy->transmit);
    free(secy->transmit);
    free(secy->receive);
    free(secy->own_counters);
    free(secy);
}

/* The record of a SAK's packet numbers, made if there is none; NULL without memory. */
static ql_sak_use *find_use(ql_transmit_side *side, const uint8_t *sak_digest)
{
    for (uint32_t i = 0; i < side->use_count; i++) {
        if (memcmp(side->uses[i].sak_digest, sak_digest, QL_SAK_DIGEST_OCTETS) == 0)
            return &side->uses[i];
    }
    ql_sak_use *uses = realloc(side->uses, (side->use_count + 1) * sizeof *uses);
    if (uses == NULL)
        return NULL;
    side->uses = uses;
    ql_sak_use *use = &uses[side->use_count++];
    memcpy(use->sak_digest, sak_digest, QL_SAK_DIGEST_OCTETS);
    use->next_pn = 1;
    return use;
}

/* Checks what an SA is to be installed with, and makes its key and its SAK's digest. */
static int prepare_key(const ql_cipher_library *cipher, uint8_t an, uint64_t pn, const uint8_t sak[32],
                       void **key, uint8_t sak_digest[QL_SAK_DIGEST_OCTETS])
{
    if (an >= QL_ASSOCIATIONS)
        return QL_SECY_BAD_AN;
    if (!usable_pn(pn))
        return QL_SECY_BAD_PN;
    *key = cipher->new_key(sak);
    if (*key == NULL)
        return QL_SECY_NO_MEMORY;
    SHA256(sak, QL_SECY_SAK_OCTETS, sak_digest);
    return 0;
}

static int set_transmit_sa(ql_transmit_side *side, uint8_t an, const uint8_t *sak, const uint8_t *sak_digest,
                           void *key, uint64_t next_pn)
{
    ql_sak_use *use = find_use(side, sak_digest);
    if (use == NULL)
        return QL_SECY_NO_MEMORY;
    if (next_pn < use->next_pn)
        return QL_SECY_PN_USED;
    use->next_pn = next_pn;
    side->cipher->free_key(side->sa[an].key);
    side->sa[an].key = key;
    side->sa[an].use = (uint32_t)(use - side->uses);
    memcpy(side->sa[an].sak, sak, sizeof side->sa[an].sak);
    side->encoding_sa = an;
    return 0;
}

int ql_secy_install_transmit_sa(ql_secy *secy, uint8_t an, const uint8_t sak[32], uint64_t next_pn)
{
    ql_transmit_side *side = secy->transmit;
    uint8_t sak_digest[QL_SAK_DIGEST_OCTETS];
    void *key;
    int error = prepare_key(side->cipher, an, next_pn, sak, &key, sak_digest);
    if (error != 0)
        return error;
    pthread_mutex_lock(&side->lock);
    error = set_transmit_sa(side, an, sak, sak_digest, key, next_pn);
    pthread_mutex_unlock(&side->lock);
    if (error != 0)
        side->cipher->free_key(key);
    return error;
}

int ql_secy_remove_transmit_sa(ql_secy *secy, uint8_t an)
{
    ql_transmit_side *side = secy->transmit;
    if (an >= QL_ASSOCIATIONS)
        return QL_SECY_BAD_AN;
    pthread_mutex_lock(&side->lock);
    void *key = side->sa[an].key;
    side->sa[an].key = NULL;
    OPENSSL_cleanse(side->sa[an].sak, sizeof side->sa[an].sak);
    if (side->encoding_sa == an)
        side->encoding_sa = -1;
    pthread_mutex_unlock(&side->lock);
    side->cipher->free_key(key);
    return key != NULL ? 0 : QL_SECY_NO_SUCH_SA;
}

int ql_secy_export_sak(ql_secy *secy, uint8_t sak[32])
{
    ql_transmit_side *side = secy->transmit;
    pthread_mutex_lock(&side->lock);
    int an = side->encoding_sa;
    if (an >= 0)
        memcpy(sak, side->sa[an].sak, QL_SECY_SAK_OCTETS);
    pthread_mutex_unlock(&side->lock);
    return an >= 0 ? 0 : QL_SECY_NO_SUCH_SA;
}

static ql_receive_channel *new_channel(ql_receive_side *side, const uint8_t *sci)
{
    for (int i = 0; i < QL_SECY_RECEIVE_CHANNELS; i++) {
        if (side->channel[i].sa_count == 0) {
            memcpy(side->channel[i].sci, sci, sizeof side->channel[i].sci);
            return &side->channel[i];
        }
    }
    return NULL;
}

static int set_receive_sa(ql_receive_side *side, const uint8_t *sci, uint8_t an, const uint8_t *sak_digest,
                          void *key, uint64_t lowest_pn)
{
    ql_receive_channel *channel = ql_find_channel(side, sci);
    if (channel == NULL)
        channel = new_channel(side, sci);
    if (channel == NULL)
        return QL_SECY_TOO_MANY_CHANNELS;
    ql_receive_sa *sa = &channel->sa[an];
    if (sa->key == NULL)
        channel->sa_count++;
    else if (memcmp(sa->sak_digest, sak_digest, QL_SAK_DIGEST_OCTETS) == 0 && lowest_pn < sa->lowest_pn)
        return QL_SECY_PN_USED;
    side->cipher->free_key(sa->key);
    sa->key = key;
    sa->lowest_pn = lowest_pn;
    memcpy(sa->sak_digest, sak_digest, QL_SAK_DIGEST_OCTETS);
    return 0;
}

int ql_secy_install_receive_sa(ql_secy *secy, const uint8_t sci[8], uint8_t an, const uint8_t sak[32],
                               uint64_t lowest_pn)
{
    ql_receive_side *side = secy->receive;
    uint8_t sak_digest[QL_SAK_DIGEST_OCTETS];
    void *key;
    int error = prepare_key(side->cipher, an, lowest_pn, sak, &key, sak_digest);
    if (error != 0)
        return error;
    pthread_mutex_lock(&side->lock);
    error = set_receive_sa(side, sci, an, sak_digest, key, lowest_pn);
    pthread_mutex_unlock(&side->lock);
    if (error != 0)
        side->cipher->free_key(key);
    return error;
}

int ql_secy_remove_receive_sa(ql_secy *secy, const uint8_t sci[8], uint8_t an)
{
    ql_receive_side *side = secy->receive;
    if (an >= QL_ASSOCIATIONS)
        return QL_SECY_BAD_AN;
    void *key = NULL;
    pthread_mutex_lock(&side->lock);
    ql_receive_channel *channel = ql_find_channel(side, sci);
    if (channel != NULL && channel->sa[an].key != NULL) {
        key = channel->sa[an].key;
        channel->sa[an].key = NULL;
        channel->sa_count--;
    }
    pthread_mutex_unlock(&side->lock);
    side->cipher->free_key(key);
    return key != NULL ? 0 : QL_SECY_NO_SUCH_SA;
}

int ql_verdict_passes(uint8_t verdict)
{
    return verdict == QL_OUT_PKTS_ENCRYPTED || verdict == QL_IN_PKTS_OK;
}

int ql_secy_encoding_sa(const ql_secy *secy)
{
    pthread_mutex_lock(&secy->transmit->lock);
    int an = secy->transmit->encoding_sa;
    pthread_mutex_unlock(&secy->transmit->lock);
    return an;
}

uint64_t ql_secy_next_pn(const ql_secy *secy)
{
    const ql_transmit_side *side = secy->transmit;
    pthread_mutex_lock(&secy->transmit->lock);
    uint64_t pn = side->encoding_sa < 0 ? 0 : side->uses[side->sa[side->encoding_sa].use].next_pn;
    pthread_mutex_unlock(&secy->transmit->lock);
    return pn;
}

int ql_secy_operational(const ql_secy *secy)
{
    return usable_pn(ql_secy_next_pn(secy));
}

const uint64_t *ql_secy_counters(const ql_secy *secy)
{
    return secy->transmit->counters;
}

const char *ql_secy_cipher_library(const ql_secy *secy)
{
    return secy->transmit->cipher->name;
}

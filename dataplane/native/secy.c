/* The SecY's life and its parameters, IEEE 802.1AE-2018 clause 10.7. */
#include "secy.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>

enum { CACHE_LINE_OCTETS = 64, XPN_REPLAY_WINDOW = (1 << 30) - 1 };

void *ql_new_lines(size_t octets)
{
    octets = (octets + CACHE_LINE_OCTETS - 1) / CACHE_LINE_OCTETS * CACHE_LINE_OCTETS;
    void *memory = aligned_alloc(CACHE_LINE_OCTETS, octets);
    if (memory != NULL)
        memset(memory, 0, octets);
    return memory;
}

int ql_usable_pn(const ql_secy_config *config, uint64_t pn)
{
    return pn >= 1 && (config->xpn || pn <= UINT32_MAX);
}

int ql_usable_sak(const ql_secy_config *config, const ql_sak *sak)
{
    uint8_t offset = sak->confidentiality_offset;
    return sak->encrypt <= 1 && (offset == 0 || ((offset == 30 || offset == 50) && !config->xpn));
}

void ql_sak_digest(const ql_secy_config *config, const ql_sak *sak, uint8_t digest[QL_SAK_DIGEST_OCTETS])
{
    SHA256(sak->key, config->sak_octets, digest);
}

void ql_sa_nonce(const ql_secy_config *config, const uint8_t sci[8], const ql_sak *sak,
                 uint8_t nonce[QL_NONCE_OCTETS])
{
    memset(nonce, 0, QL_NONCE_OCTETS);
    if (!config->xpn) {
        memcpy(nonce, sci, 8);
        return;
    }
    uint32_t ssci = htobe32(sak->ssci);
    memcpy(nonce, &ssci, sizeof ssci);
    for (int i = 0; i < QL_NONCE_OCTETS; i++)
        nonce[i] ^= sak->salt[i];
}

static int usable_config(const ql_secy_config *config)
{
    return (config->sak_octets == 16 || config->sak_octets == 32) && config->xpn <= 1 &&
           config->validate_frames <= QL_VALIDATE_STRICT && config->clear_tags <= QL_SECY_CLEAR_TAGS &&
           config->bypass_count <= QL_SECY_BYPASSES &&
           (!config->xpn || config->replay_window <= XPN_REPLAY_WINDOW) &&
           (!config->detect_duplicates ||
            (config->replay_protect && config->replay_window <= QL_SECY_DUPLICATE_WINDOW));
}

ql_secy *ql_secy_new(const ql_secy_config *config, const char *cipher_library, uint64_t *counters)
{
    const ql_cipher_library *cipher = ql_cipher_library_find(cipher_library);
    ql_secy *secy = cipher != NULL && usable_config(config) ? calloc(1, sizeof *secy) : NULL;
    if (secy == NULL)
        return NULL;
    secy->transmit = ql_new_lines(sizeof *secy->transmit);
    secy->receive = ql_new_lines(sizeof *secy->receive);
    if (counters == NULL)
        counters = secy->own_counters = ql_new_lines(QL_SECY_COUNTERS * sizeof *counters);
    if (secy->transmit == NULL || secy->receive == NULL || counters == NULL ||
        !ql_channels_init(&secy->receive->channels)) {
        free(secy->transmit);
        free(secy->receive);
        free(secy->own_counters);
        free(secy);
        return NULL;
    }
    pthread_mutex_init(&secy->management, NULL);
    pthread_mutex_init(&secy->transmit->lock, NULL);
    pthread_mutex_init(&secy->receive->lock, NULL);
    secy->transmit->counters = secy->receive->counters = counters;
    secy->transmit->cipher = secy->receive->cipher = cipher;
    secy->transmit->config = secy->receive->config = *config;
    return secy;
}

void ql_secy_free(ql_secy *secy)
{
    if (secy == NULL)
        return;
    ql_secy_drop_transmit(secy->transmit);
    ql_secy_drop_receive(secy->receive);
    pthread_mutex_destroy(&secy->management);
    pthread_mutex_destroy(&secy->transmit->lock);
    pthread_mutex_destroy(&secy->receive->lock);
    free(secy->transmit);
    free(secy->receive);
    free(secy->own_counters);
    free(secy);
}

int ql_secy_configure(ql_secy *secy, const ql_secy_config *config)
{
    ql_transmit_side *transmit = secy->transmit;
    ql_receive_side *receive = secy->receive;
    const ql_secy_config *before = &receive->config;
    if (!usable_config(config))
        return QL_SECY_BAD_PARAMETER;
    pthread_mutex_lock(&secy->management);
    int refused = memcmp(config->sci, before->sci, sizeof config->sci) != 0 ||
                  config->sak_octets != before->sak_octets || config->xpn != before->xpn ||
                  (config->detect_duplicates != before->detect_duplicates && receive->channels.count > 0);
    if (!refused) {
        pthread_mutex_lock(&transmit->lock);
        pthread_mutex_lock(&receive->lock);
        transmit->config = receive->config = *config;
        pthread_mutex_unlock(&receive->lock);
        pthread_mutex_unlock(&transmit->lock);
    }
    pthread_mutex_unlock(&secy->management);
    return refused ? QL_SECY_BAD_PARAMETER : 0;
}

int ql_batch_fits(const ql_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        if (!ql_fits(batch, i, 0, 0))
            return 0;
    return 1;
}

int ql_verdict_passes(uint8_t verdict)
{
    const uint64_t passing = UINT64_C(1) << QL_OUT_PKTS_UNTAGGED | UINT64_C(1) << QL_OUT_PKTS_PROTECTED |
                             UINT64_C(1) << QL_OUT_PKTS_ENCRYPTED | UINT64_C(1) << QL_OUT_PASSES_BYPASS |
                             UINT64_C(1) << QL_IN_PKTS_UNTAGGED | UINT64_C(1) << QL_IN_PKTS_NO_SA |
                             UINT64_C(1) << QL_IN_PKTS_OK | UINT64_C(1) << QL_IN_PKTS_UNCHECKED |
                             UINT64_C(1) << QL_IN_PKTS_DELAYED | UINT64_C(1) << QL_IN_PKTS_INVALID |
                             UINT64_C(1) << QL_IN_PASSES_BYPASS | UINT64_C(1) << QL_IN_PASSES_NULL;
    return verdict < 64 && (passing >> verdict & 1);
}

const char *ql_secy_cipher_library(const ql_secy *secy)
{
    return secy->transmit->cipher->name;
}

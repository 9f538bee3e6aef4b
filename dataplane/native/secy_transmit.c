/* Transmit SAs and their packet numbers, IEEE 802.1AE-2018 clause 10.7.20 to 10.7.24. */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "secy.h"

/* The record of what a SAK was used for, made if there is none; NULL without memory. */
static ql_sak_use *find_use(ql_transmit_side *side, const uint8_t *sak_digest, const uint8_t *salt)
{
    for (ql_sak_use *use = side->uses; use != NULL; use = use->next)
        if (memcmp(use->sak_digest, sak_digest, QL_SAK_DIGEST_OCTETS) == 0)
            return use;
    ql_sak_use *use = malloc(sizeof *use);
    if (use == NULL)
        return NULL;
    *use = (ql_sak_use){.next = side->uses, .next_pn = 1};
    memcpy(use->sak_digest, sak_digest, QL_SAK_DIGEST_OCTETS);
    memcpy(use->salt, salt, QL_SALT_OCTETS);
    return side->uses = use;
}

static void wipe(ql_transmit_side *side, ql_transmit_sa *sa)
{
    side->cipher->free_key(sa->key);
    OPENSSL_cleanse(sa, sizeof *sa);
}

void ql_secy_drop_transmit(ql_transmit_side *side)
{
    for (int an = 0; an < QL_ASSOCIATIONS; an++)
        wipe(side, &side->sa[an]);
    while (side->uses != NULL) {
        ql_sak_use *use = side->uses;
        side->uses = use->next;
        free(use);
    }
}

static int set_sa(ql_secy *secy, uint8_t an, const ql_sak *sak, uint64_t next_pn, uint64_t last_pn)
{
    ql_transmit_side *side = secy->transmit;
    const ql_secy_config *config = &side->config;
    if (an >= QL_ASSOCIATIONS || !ql_usable_sak(config, sak) || !ql_usable_pn(config, next_pn) ||
        !ql_usable_pn(config, last_pn))
        return QL_SECY_BAD_PARAMETER;
    if (last_pn < next_pn)
        return QL_SECY_SHORTER;
    uint8_t sak_digest[QL_SAK_DIGEST_OCTETS];
    ql_sak_digest(config, sak, sak_digest);
    /* A receive SA with the same SAK and SSCI would make the same nonces. */
    if (config->xpn && ql_channels_use(&secy->receive->channels, NULL, sak_digest, sak->ssci))
        return QL_SECY_SSCI_TAKEN;
    ql_sak_use *use = find_use(side, sak_digest, sak->salt);
    if (use != NULL && config->xpn && memcmp(use->salt, sak->salt, QL_SALT_OCTETS) != 0)
        return QL_SECY_OTHER_SALT;
    void *key = use != NULL ? side->cipher->new_key(sak->key, config->sak_octets) : NULL;
    if (key == NULL)
        return QL_SECY_NO_MEMORY;
    ql_transmit_sa *sa = &side->sa[an];
    pthread_mutex_lock(&side->lock);
    int used = use->next_pn == 0 || next_pn < use->next_pn;
    if (!used) {
        use->next_pn = next_pn;
        wipe(side, sa);
        *sa = (ql_transmit_sa){
            .key = key,
            .use = use,
            .last_pn = last_pn,
            .tci = an | (sak->encrypt ? QL_TCI_ENCRYPTED | QL_TCI_CHANGED : 0),
            .confidentiality_offset = sak->confidentiality_offset,
            .ssci = sak->ssci,
        };
        ql_sa_nonce(config, config->sci, sak, sa->nonce);
        memcpy(sa->sak, sak->key, config->sak_octets);
        side->encoding = sa;
    }
    pthread_mutex_unlock(&side->lock);
    if (used)
        side->cipher->free_key(key);
    return used ? QL_SECY_PN_USED : 0;
}

int ql_secy_install_transmit_sa(ql_secy *secy, uint8_t an, const ql_sak *sak, uint64_t next_pn,
                                uint64_t last_pn)
{
    pthread_mutex_lock(&secy->management);
    int error = set_sa(secy, an, sak, next_pn, last_pn);
    pthread_mutex_unlock(&secy->management);
    return error;
}

int ql_secy_extend_transmit_sa(ql_secy *secy, uint8_t an, uint64_t last_pn)
{
    ql_transmit_side *side = secy->transmit;
    if (an >= QL_ASSOCIATIONS)
        return QL_SECY_BAD_PARAMETER;
    int error = 0;
    ql_transmit_sa *sa = &side->sa[an];
    pthread_mutex_lock(&side->lock);
    if (!ql_usable_pn(&side->config, last_pn))
        error = QL_SECY_BAD_PARAMETER;
    else if (sa->key == NULL)
        error = QL_SECY_NO_SUCH_SA;
    else if (last_pn < sa->last_pn)
        error = QL_SECY_SHORTER;
    else
        sa->last_pn = last_pn;
    pthread_mutex_unlock(&side->lock);
    return error;
}

int ql_secy_remove_transmit_sa(ql_secy *secy, uint8_t an)
{
    ql_transmit_side *side = secy->transmit;
    if (an >= QL_ASSOCIATIONS)
        return QL_SECY_BAD_PARAMETER;
    pthread_mutex_lock(&secy->management);
    pthread_mutex_lock(&side->lock);
    ql_transmit_sa *sa = &side->sa[an];
    int there = sa->key != NULL;
    if (side->encoding == sa)
        side->encoding = NULL;
    wipe(side, sa);
    pthread_mutex_unlock(&side->lock);
    pthread_mutex_unlock(&secy->management);
    return there ? 0 : QL_SECY_NO_SUCH_SA;
}

int ql_secy_export_sak(ql_secy *secy, uint8_t sak[32])
{
    ql_transmit_side *side = secy->transmit;
    pthread_mutex_lock(&side->lock);
    int there = side->encoding != NULL;
    if (there)
        memcpy(sak, side->encoding->sak, side->config.sak_octets);
    pthread_mutex_unlock(&side->lock);
    return there ? 0 : QL_SECY_NO_SUCH_SA;
}

void ql_secy_transmit_state(const ql_secy *secy, ql_transmit_state *state)
{
    ql_transmit_side *side = secy->transmit;
    pthread_mutex_lock(&side->lock);
    const ql_transmit_sa *sa = side->encoding;
    *state = (ql_transmit_state){.an = -1};
    if (sa != NULL)
        *state = (ql_transmit_state){sa->tci & QL_TCI_AN, sa->use->next_pn, sa->last_pn};
    pthread_mutex_unlock(&side->lock);
}

int ql_secy_operational(const ql_secy *secy)
{
    ql_transmit_side *side = secy->transmit;
    pthread_mutex_lock(&side->lock);
    int operational = !ql_protects(&side->config) || ql_sendable(side->encoding);
    pthread_mutex_unlock(&side->lock);
    return operational;
}

void ql_secy_set_alarm(ql_secy *secy, uint64_t alarm_pn)
{
    ql_transmit_side *side = secy->transmit;
    pthread_mutex_lock(&side->lock);
    side->alarm_pn = alarm_pn;
    pthread_mutex_unlock(&side->lock);
}

int ql_secy_take_alarm(ql_secy *secy)
{
    ql_transmit_side *side = secy->transmit;
    pthread_mutex_lock(&side->lock);
    int alarmed = side->alarmed;
    side->alarmed = 0;
    pthread_mutex_unlock(&side->lock);
    return alarmed;
}

/* Receive SCs and SAs, IEEE 802.1AE-2018 clause 10.7.11 to 10.7.16. */
#include <stdlib.h>

#include "replay.h"
#include "secy.h"

static void wipe(const ql_cipher_library *cipher, ql_receive_sa *sa)
{
    cipher->free_key(sa->key);
    free(sa->seen);
    memset(sa, 0, sizeof *sa);
}

void ql_secy_drop_receive(ql_receive_side *side)
{
    for (uint32_t at = 0; at <= side->channels.mask; at++) {
        ql_receive_channel *channel = side->channels.slots[at];
        for (int an = 0; channel != NULL && an < QL_ASSOCIATIONS; an++)
            wipe(side->cipher, &channel->sa[an]);
        free(channel);
    }
    ql_channels_free(&side->channels);
}

/* Whether another SC than `own` has the same SAK and SSCI, and so makes the same nonces. */
static int ssci_taken(const ql_secy *secy, const ql_receive_channel *own, const ql_receive_sa *wanted)
{
    if (!secy->receive->config.xpn)
        return 0;
    if (ql_channels_use(&secy->receive->channels, own, wanted->sak_digest, wanted->ssci))
        return 1;
    for (int an = 0; an < QL_ASSOCIATIONS; an++) {
        const ql_transmit_sa *sa = &secy->transmit->sa[an];
        if (sa->key != NULL && sa->ssci == wanted->ssci &&
            memcmp(sa->use->sak_digest, wanted->sak_digest, QL_SAK_DIGEST_OCTETS) == 0)
            return 1;
    }
    return 0;
}

/* Tells the transmit side, which needs it for Table 10-1, how many SCs there are. */
static void tell_channels(ql_secy *secy)
{
    pthread_mutex_lock(&secy->transmit->lock);
    secy->transmit->receive_channels = secy->receive->channels.count;
    pthread_mutex_unlock(&secy->transmit->lock);
}

/* What is to be under the AN: a new SA, or the one that is there with what it has already accepted. */
static int inherit(ql_receive_sa *wanted, ql_receive_sa *there)
{
    if (there->key == NULL || memcmp(there->sak_digest, wanted->sak_digest, QL_SAK_DIGEST_OCTETS) != 0)
        return 0;
    if (ql_below_window(there, wanted->lowest_pn))
        return QL_SECY_PN_USED;
    uint64_t *empty = wanted->seen;
    uint64_t next_pn = wanted->lowest_pn;
    wanted->seen = there->seen;
    there->seen = empty;
    wanted->next_pn = there->next_pn;
    if (next_pn > wanted->next_pn - 1)
        ql_advance(wanted, next_pn);
    return 0;
}

/* Puts the SA in its place, in a channel that is new or that the table has; `wanted` is what goes. */
static int place(ql_secy *secy, ql_receive_channel *channel, uint8_t an, ql_receive_sa *wanted)
{
    ql_receive_side *side = secy->receive;
    int new_channel = channel->sa_count == 0;
    pthread_mutex_lock(&side->lock);
    ql_receive_sa *there = &channel->sa[an];
    int error = inherit(wanted, there);
    if (error == 0 && new_channel && !ql_channels_add(&side->channels, channel))
        error = QL_SECY_NO_MEMORY;
    if (error == 0) {
        channel->sa_count += there->key == NULL;
        ql_receive_sa before = *there;
        *there = *wanted;
        *wanted = before;
    }
    pthread_mutex_unlock(&side->lock);
    if (error == 0 && new_channel)
        tell_channels(secy);
    return error;
}

static int install(ql_secy *secy, const uint8_t sci[8], uint8_t an, const ql_sak *sak, uint64_t lowest_pn)
{
    ql_receive_side *side = secy->receive;
    const ql_secy_config *config = &side->config;
    if (an >= QL_ASSOCIATIONS || !ql_usable_sak(config, sak) || !ql_usable_pn(config, lowest_pn))
        return QL_SECY_BAD_PARAMETER;
    if (memcmp(sci, config->sci, sizeof config->sci) == 0)
        return QL_SECY_OWN_SCI;
    ql_receive_channel *channel = ql_channel_find(&side->channels, sci);
    if (channel == NULL && side->channels.count == QL_SECY_RECEIVE_CHANNELS)
        return QL_SECY_TOO_MANY_CHANNELS;

    ql_receive_sa wanted = {
        .lowest_pn = lowest_pn,
        .next_pn = lowest_pn,
        .confidentiality_offset = sak->confidentiality_offset,
        .ssci = sak->ssci,
    };
    ql_sak_digest(config, sak, wanted.sak_digest);
    if (ssci_taken(secy, channel, &wanted))
        return QL_SECY_SSCI_TAKEN;
    ql_sa_nonce(config, sci, sak, wanted.nonce);
    wanted.key = side->cipher->new_key(sak->key, config->sak_octets);
    int complete = wanted.key != NULL;
    if (config->detect_duplicates)
        complete = (wanted.seen = calloc(QL_SEEN_WORDS, sizeof *wanted.seen)) != NULL && complete;
    ql_receive_channel *made = NULL;
    if (channel == NULL && (channel = made = ql_new_lines(sizeof *made)) != NULL)
        memcpy(made->sci, sci, sizeof made->sci);
    int error = complete && channel != NULL ? place(secy, channel, an, &wanted) : QL_SECY_NO_MEMORY;
    wipe(side->cipher, &wanted);
    if (error != 0)
        free(made);
    return error;
}

int ql_secy_install_receive_sa(ql_secy *secy, const uint8_t sci[8], uint8_t an, const ql_sak *sak,
                               uint64_t lowest_pn)
{
    pthread_mutex_lock(&secy->management);
    int error = install(secy, sci, an, sak, lowest_pn);
    pthread_mutex_unlock(&secy->management);
    return error;
}

int ql_secy_remove_receive_sa(ql_secy *secy, const uint8_t sci[8], uint8_t an)
{
    ql_receive_side *side = secy->receive;
    if (an >= QL_ASSOCIATIONS)
        return QL_SECY_BAD_PARAMETER;
    ql_receive_sa removed = {0};
    int last = 0;
    pthread_mutex_lock(&secy->management);
    ql_receive_channel *channel = ql_channel_find(&side->channels, sci);
    if (channel != NULL && channel->sa[an].key != NULL) {
        pthread_mutex_lock(&side->lock);
        removed = channel->sa[an];
        memset(&channel->sa[an], 0, sizeof channel->sa[an]);
        last = --channel->sa_count == 0;
        if (last)
            ql_channels_remove(&side->channels, channel);
        pthread_mutex_unlock(&side->lock);
    }
    if (last) {
        tell_channels(secy);
        free(channel);
    }
    pthread_mutex_unlock(&secy->management);
    int there = removed.key != NULL;
    wipe(side->cipher, &removed);
    return there ? 0 : QL_SECY_NO_SUCH_SA;
}

int ql_secy_receive_state(const ql_secy *secy, const uint8_t sci[8], uint8_t an, ql_receive_state *state)
{
    ql_receive_side *side = secy->receive;
    if (an >= QL_ASSOCIATIONS)
        return QL_SECY_BAD_PARAMETER;
    pthread_mutex_lock(&side->lock);
    const ql_receive_channel *channel = ql_channel_find(&side->channels, sci);
    int there = channel != NULL && channel->sa[an].key != NULL;
    if (there)
        *state = (ql_receive_state){channel->sa[an].next_pn, channel->sa[an].lowest_pn};
    pthread_mutex_unlock(&side->lock);
    return there ? 0 : QL_SECY_NO_SUCH_SA;
}

int ql_secy_channel_counters(const ql_secy *secy, const uint8_t sci[8], uint64_t counters[8])
{
    ql_receive_side *side = secy->receive;
    pthread_mutex_lock(&side->lock);
    const ql_receive_channel *channel = ql_channel_find(&side->channels, sci);
    if (channel != NULL)
        memcpy(counters, channel->counters, sizeof channel->counters);
    pthread_mutex_unlock(&side->lock);
    return channel != NULL ? 0 : QL_SECY_NO_SUCH_CHANNEL;
}

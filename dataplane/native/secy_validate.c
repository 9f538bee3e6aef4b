/* Secure frame verification, IEEE 802.1AE-2018 clause 10.6, in the order of Figure 10-4. */
#include "replay.h"
#include "secy.h"

/* A frame on its way through Figure 10-4. */
typedef struct {
    uint8_t *frame;
    uint32_t header; /* octets of addresses and clear tags, behind which the MPDU begins */
    ql_sectag tag;
    ql_receive_channel *channel; /* NULL where no SC is known */
    ql_receive_sa *sa;           /* NULL where no SA is known */
} ql_received;

/* What an SC counts besides its verdicts InPktsOK to InPktsNotValid, numbered on from 1 as ql_count has it.
 */
enum { CHANNEL_UNUSED_SA = QL_IN_PKTS_NOT_VALID - QL_IN_PKTS_OK + 2, CHANNEL_NOT_USING_SA };

/* Counts a verdict for the SC; whoever concludes the frame counts it for the SecY. */
static uint8_t channel_verdict(const ql_received *received, uint8_t verdict)
{
    ql_count(received->channel->counters, (uint8_t)(verdict - QL_IN_PKTS_OK + 1), 1);
    return verdict;
}

/* Frames that have no SecTAG, or whose SecTAG says that they are not for the Controlled Port. PENDING for
   those that go on; then `received` has header and tag. */
static uint8_t classify(const ql_secy_config *config, uint32_t length, ql_received *received)
{
    const uint8_t *frame = received->frame;
    if (length < QL_ETHERNET_HEADER_OCTETS)
        return QL_IN_DISCARDS_TOO_SHORT;
    if (ql_ethertype(frame + QL_ADDRESS_OCTETS) == QL_EAPOL)
        return QL_IN_DISCARDS_UNCONTROLLED;
    if (config->validate_frames == QL_VALIDATE_NULL)
        return QL_IN_PASSES_NULL;
    received->header = ql_header_octets(frame, length, config->clear_tags);
    const uint8_t *mpdu = frame + received->header;
    if (ql_ethertype(mpdu) != QL_MACSEC) {
        if (ql_bypasses(config, frame))
            return QL_IN_PASSES_BYPASS;
        return config->validate_frames == QL_VALIDATE_STRICT ? QL_IN_PKTS_NO_TAG : QL_IN_PKTS_UNTAGGED;
    }
    if (!ql_sectag_read(mpdu, length - received->header, &received->tag))
        return QL_IN_PKTS_BAD_TAG;
    if (received->tag.pn == 0 && !config->xpn)
        return QL_IN_PKTS_BAD_TAG;
    if ((received->tag.tci & QL_TCI_ENCRYPTED) && !(received->tag.tci & QL_TCI_CHANGED))
        return QL_IN_DISCARDS_KAY;
    return QL_PENDING;
}

/* 10.6.1: SC and SA that a tag names. */
static void find_sa(const ql_channels *channels, ql_received *received)
{
    const ql_sectag *tag = &received->tag;
    if (tag->sci != NULL) {
        received->channel = ql_channel_find(channels, tag->sci);
    } else if (tag->tci & QL_TCI_END_STATION) { /* the source address, and port 1 or that of SCB */
        uint8_t sci[8] = {0};
        memcpy(sci, received->frame + 6, 6);
        sci[7] = !(tag->tci & QL_TCI_SINGLE_COPY_BROADCAST);
        received->channel = ql_channel_find(channels, sci);
    } else {
        received->channel =
            tag->tci & QL_TCI_SINGLE_COPY_BROADCAST ? channels->only_single_copy : channels->only;
    }
    received->sa = received->channel != NULL ? &received->channel->sa[tag->tci & QL_TCI_AN] : NULL;
    if (received->sa != NULL && received->sa->key == NULL)
        received->sa = NULL;
}

/* 10.6.3: decrypts the Secure Data in place, and zeroes it when the ICV is wrong. Clear tags are not
   authenticated: the addresses stand next to the SecTAG meanwhile. */
static int validate_data(const ql_receive_side *side, const ql_received *received, uint64_t pn)
{
    const ql_sectag *tag = &received->tag;
    const ql_receive_sa *sa = received->sa;
    uint8_t *mpdu = received->frame + received->header;
    uint8_t *aad = mpdu - QL_ADDRESS_OCTETS;
    uint8_t *data = mpdu + tag->octets;
    int encrypted = tag->tci & QL_TCI_ENCRYPTED;
    uint32_t clear = tag->data_octets;
    if (encrypted && sa->confidentiality_offset < clear)
        clear = sa->confidentiality_offset;

    uint8_t saved[QL_HEADER_LIMIT], nonce[QL_NONCE_OCTETS];
    ql_count(side->counters, encrypted ? QL_IN_OCTETS_DECRYPTED : QL_IN_OCTETS_VALIDATED, tag->data_octets);
    ql_nonce(nonce, sa->nonce, pn);
    if (aad != received->frame) {
        memcpy(saved, received->frame, received->header);
        memcpy(aad, saved, QL_ADDRESS_OCTETS);
    }
    int valid = side->cipher->decrypt(sa->key, nonce, aad, QL_ADDRESS_OCTETS + tag->octets + clear,
                                      data + clear, tag->data_octets - clear, data + tag->data_octets);
    if (aad != received->frame)
        memcpy(received->frame, saved, received->header);
    if (!valid && encrypted)
        memset(data + clear, 0, tag->data_octets - clear);
    return valid;
}

/* Takes SecTAG, ICV and padding away: addresses and clear tags move up to the User Data. */
static void strip(const ql_received *received, ql_batch *batch, uint32_t i)
{
    uint32_t header = received->header, tag_octets = received->tag.octets;
    memmove(received->frame + tag_octets, received->frame, header);
    batch->offset[i] += tag_octets;
    batch->length[i] = header + received->tag.data_octets;
}

static uint8_t without_sa(const ql_received *received, int must_be_valid, ql_receive_side *side)
{
    if (received->channel != NULL) {
        ql_count(received->channel->counters, must_be_valid ? CHANNEL_NOT_USING_SA : CHANNEL_UNUSED_SA, 1);
        ql_count(side->counters, must_be_valid ? QL_IN_PKTS_NOT_USING_SA : QL_IN_PKTS_UNUSED_SA, 1);
    }
    return must_be_valid ? QL_IN_PKTS_NO_SA_ERROR : QL_IN_PKTS_NO_SA;
}

/* From the replay check to delivery; the verdict is one of the SC's counters. */
static uint8_t verify(ql_receive_side *side, const ql_received *received, int must_be_valid)
{
    const ql_secy_config *config = &side->config;
    ql_receive_sa *sa = received->sa;
    uint64_t pn = config->xpn ? ql_recover_pn(sa->lowest_pn, received->tag.pn) : received->tag.pn;
    int late = ql_below_window(sa, pn);
    /* 10.6.2 and 10.6.4: nothing moves lowestPN in between, so that one check is both of Figure 10-4. */
    if (config->replay_protect && (late || ql_seen(sa, pn)))
        return QL_IN_PKTS_LATE;
    if (config->validate_frames == QL_VALIDATE_DISABLED) {
        if (must_be_valid)
            return QL_IN_PKTS_NOT_VALID;
        return late ? QL_IN_PKTS_DELAYED : QL_IN_PKTS_UNCHECKED;
    }
    if (!validate_data(side, received, pn))
        return must_be_valid ? QL_IN_PKTS_NOT_VALID : QL_IN_PKTS_INVALID;
    ql_replay_update(sa, pn, config->replay_window); /* 10.6.5 */
    return late ? QL_IN_PKTS_DELAYED : QL_IN_PKTS_OK;
}

static uint8_t validate_frame(ql_receive_side *side, ql_batch *batch, uint32_t i)
{
    if (!ql_fits(batch, i, 0, 0))
        return QL_NO_ROOM;
    ql_received received = {.frame = batch->arena + batch->offset[i]};
    uint8_t verdict = classify(&side->config, batch->length[i], &received);
    if (verdict != QL_PENDING)
        return verdict;
    find_sa(&side->channels, &received);
    int must_be_valid =
        side->config.validate_frames == QL_VALIDATE_STRICT || (received.tag.tci & QL_TCI_CHANGED);
    if (received.sa == NULL)
        verdict = without_sa(&received, must_be_valid, side);
    else
        verdict = channel_verdict(&received, verify(side, &received, must_be_valid));
    if (ql_verdict_passes(verdict))
        strip(&received, batch, i);
    return verdict;
}

/* With more SCs than this, the cache may not hold all their keys. */
enum { CHANNELS_IN_CACHE = 16, FRAMES_AHEAD = 6, CACHE_LINE_OCTETS = 64 };

/* Where frame i has its SecTAG if it has one with SCI and no clear tags; NULL past the last frame. */
static const uint8_t *guess_tag(const ql_batch *batch, uint32_t i)
{
    if (i >= batch->count || !ql_fits(batch, i, 0, 0) ||
        batch->length[i] < QL_ADDRESS_OCTETS + QL_SECTAG_OCTETS)
        return NULL;
    return batch->arena + batch->offset[i] + QL_ADDRESS_OCTETS;
}

/* Has the key of a frame further on come into the cache while others are validated, unless it is that of the
   frame before. Nothing but time depends on it. */
static void fetch_key(const ql_receive_side *side, const ql_batch *batch, uint32_t i)
{
    const uint8_t *tag = guess_tag(batch, i), *before = guess_tag(batch, i - 1);
    if (tag == NULL || (before != NULL && tag[2] == before[2] && memcmp(tag + 8, before + 8, 8) == 0))
        return;
    const ql_receive_channel *channel = ql_channel_find(&side->channels, tag + 8);
    const uint8_t *key = channel != NULL ? channel->sa[tag[2] & QL_TCI_AN].key : NULL;
    for (uint32_t at = 0; key != NULL && at < side->cipher->key_octets; at += CACHE_LINE_OCTETS)
        __builtin_prefetch(key + at);
}

void ql_secy_validate(ql_secy *secy, ql_batch *batch)
{
    ql_receive_side *side = secy->receive;
    pthread_mutex_lock(&side->lock);
    int many = side->channels.count > CHANNELS_IN_CACHE;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (many)
            fetch_key(side, batch, i + FRAMES_AHEAD);
        ql_conclude(batch, i, validate_frame(side, batch, i), side->counters);
    }
    pthread_mutex_unlock(&side->lock);
}

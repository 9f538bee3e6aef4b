/* Secure frame verification, IEEE 802.1AE-2018 clause 10.6 and Figure 10-4, validateFrames strict. */
#include <string.h>

#include "sectag.h"
#include "secy.h"

/* 10.6.1: the SA that a tag names, or NULL. A tag without SCI names none. */
static ql_receive_sa *find_sa(ql_receive_side *side, const ql_sectag *tag)
{
    ql_receive_channel *channel = tag->sci != NULL ? ql_find_channel(side, tag->sci) : NULL;
    if (channel == NULL)
        return NULL;
    ql_receive_sa *sa = &channel->sa[tag->tci & QL_TCI_AN];
    return sa->key != NULL ? sa : NULL;
}

/* 10.6.3: decrypts the Secure Data in place; zeroes it when the ICV is wrong. */
static int validate_data(ql_receive_side *side, const ql_receive_sa *sa, const ql_sectag *tag, uint8_t *frame)
{
    if (!(tag->tci & QL_TCI_ENCRYPTED)) { /* no suite here has integrity without confidentiality */
        ql_count(side->counters, QL_IN_OCTETS_VALIDATED, tag->data_octets);
        return 0;
    }
    ql_count(side->counters, QL_IN_OCTETS_DECRYPTED, tag->data_octets);
    uint8_t nonce[QL_NONCE_OCTETS];
    uint8_t *data = frame + tag->data_offset;
    ql_nonce(nonce, tag->sci, tag->pn);
    if (side->cipher->decrypt(sa->key, nonce, frame, tag->data_offset, data, tag->data_octets,
                              data + tag->data_octets))
        return 1;
    memset(data, 0, tag->data_octets);
    return 0;
}

/* 10.6.4: only a valid frame moves lowestPN, and only up. The standard keeps nextPN to the same end. */
static void update_lowest_pn(ql_receive_sa *sa, uint32_t pn, uint32_t replay_window)
{
    uint64_t next_pn = (uint64_t)pn + 1;
    if (next_pn > sa->lowest_pn + replay_window)
        sa->lowest_pn = next_pn - replay_window;
}

static uint8_t validate_frame(ql_receive_side *side, ql_batch *batch, uint32_t i)
{
    ql_sectag tag;
    if (!ql_fits(batch, i, 0, 0))
        return QL_NO_ROOM;
    uint8_t *frame = batch->arena + batch->offset[i];
    if (batch->length[i] < QL_ETHERNET_HEADER_OCTETS)
        return QL_IN_DISCARDS_TOO_SHORT;
    if (!ql_has_sectag(frame))
        return QL_IN_PKTS_NO_TAG;
    if (!ql_sectag_read(frame, batch->length[i], &tag))
        return QL_IN_PKTS_BAD_TAG;
    if ((tag.tci & QL_TCI_ENCRYPTED) && !(tag.tci & QL_TCI_CHANGED))
        return QL_IN_DISCARDS_KAY;
    ql_receive_sa *sa = find_sa(side, &tag);
    if (sa == NULL)
        return QL_IN_PKTS_NO_SA_ERROR;
    /* 10.6.2. Figure 10-4 checks again after validation, for an entity that validates frames in parallel;
       here nothing moves lowestPN in between. */
    if (tag.pn < sa->lowest_pn)
        return QL_IN_PKTS_LATE;
    if (!validate_data(side, sa, &tag, frame))
        return QL_IN_PKTS_NOT_VALID;
    update_lowest_pn(sa, tag.pn, side->replay_window);

    memmove(frame + tag.data_offset - QL_ADDRESS_OCTETS, frame, QL_ADDRESS_OCTETS);
    batch->offset[i] += tag.data_offset - QL_ADDRESS_OCTETS;
    batch->length[i] = QL_ADDRESS_OCTETS + tag.data_octets;
    return QL_IN_PKTS_OK;
}

void ql_secy_validate(ql_secy *secy, ql_batch *batch)
{
    ql_receive_side *side = secy->receive;
    pthread_mutex_lock(&side->lock);
    for (uint32_t i = 0; i < batch->count; i++)
        ql_conclude(batch, i, validate_frame(side, batch, i), side->counters);
    pthread_mutex_unlock(&side->lock);
}

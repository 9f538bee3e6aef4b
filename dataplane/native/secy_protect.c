/* Secure frame generation, IEEE 802.1AE-2018 clause 10.5. */
#include <string.h>

#include "sectag.h"
#include "secy.h"

static uint8_t protect_frame(ql_transmit_side *side, ql_batch *batch, uint32_t i)
{
    if (!ql_fits(batch, i, QL_SECTAG_OCTETS, QL_ICV_OCTETS))
        return QL_NO_ROOM;
    if (batch->length[i] < QL_ETHERNET_HEADER_OCTETS)
        return QL_OUT_DISCARDS_TOO_SHORT;
    if (side->encoding_sa < 0) /* 10.5.1 */
        return QL_OUT_DISCARDS_NO_TRANSMIT_SA;
    uint8_t an = (uint8_t)side->encoding_sa;
    ql_sak_use *use = &side->uses[side->sa[an].use];
    if (use->next_pn == QL_PN_END)
        return QL_OUT_DISCARDS_NO_TRANSMIT_SA;

    uint32_t pn = (uint32_t)use->next_pn++; /* 10.5.2; spent even if the cipher fails */
    uint8_t *frame = batch->arena + batch->offset[i] - QL_SECTAG_OCTETS;
    uint32_t data_octets = batch->length[i] - QL_ADDRESS_OCTETS;
    uint8_t *data = frame + QL_ADDRESS_OCTETS + QL_SECTAG_OCTETS;
    memcpy(frame, frame + QL_SECTAG_OCTETS, QL_ADDRESS_OCTETS);
    ql_sectag_write(frame + QL_ADDRESS_OCTETS, an, pn, side->sci, data_octets); /* 10.5.3 */

    uint8_t nonce[QL_NONCE_OCTETS];
    ql_nonce(nonce, side->sci, pn);
    if (!side->cipher->encrypt(side->sa[an].key, nonce, frame, QL_ADDRESS_OCTETS + QL_SECTAG_OCTETS, data,
                               data_octets, data + data_octets)) /* 10.5.4 */
        return QL_OUT_DISCARDS_NO_TRANSMIT_SA; /* a key that does not work is none; nothing leaves in clear */

    batch->offset[i] -= QL_SECTAG_OCTETS;
    batch->length[i] += QL_SECTAG_OCTETS + QL_ICV_OCTETS;
    ql_count(side->counters, QL_OUT_OCTETS_ENCRYPTED, data_octets);
    return QL_OUT_PKTS_ENCRYPTED;
}

void ql_secy_protect(ql_secy *secy, ql_batch *batch)
{
    ql_transmit_side *side = secy->transmit;
    pthread_mutex_lock(&side->lock);
    for (uint32_t i = 0; i < batch->count; i++)
        ql_conclude(batch, i, protect_frame(side, batch, i), side->counters);
    pthread_mutex_unlock(&side->lock);
}

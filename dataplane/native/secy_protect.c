/* Secure frame generation, IEEE 802.1AE-2018 clause 10.5. */
#include "secy.h"

/* Of a longer frame the length would overflow. */
static const uint32_t longest = UINT32_MAX - QL_SECTAG_OCTETS - QL_ICV_OCTETS;

/* Whether the Common Port cannot carry a frame of that length with that many octets of addresses and tags. */
static int too_long(const ql_secy_config *config, uint32_t length, uint32_t header)
{
    return config->mtu != 0 && length - header - 2 > config->mtu; /* an EtherType follows the header */
}

/* Table 10-1: E, C and AN of the SA, and how the receiver learns the SCI. */
static uint8_t encode_tci(const ql_transmit_side *side, const ql_transmit_sa *sa)
{
    const ql_secy_config *config = &side->config;
    if (config->always_include_sci || (side->receive_channels > 1 && !config->use_es && !config->use_scb))
        return sa->tci | QL_TCI_SCI;
    return (uint8_t)(sa->tci | (config->use_es ? QL_TCI_END_STATION : 0) |
                     (config->use_scb ? QL_TCI_SINGLE_COPY_BROADCAST : 0));
}

/* 10.5.3 and 10.5.4 for the frame whose addresses and clear tags are `header` octets long. The authenticated
   data must be contiguous: while the cipher works the addresses stand next to the SecTAG, and clear tags,
   which are not authenticated, aside. */
static uint8_t protect_data(ql_transmit_side *side, const ql_transmit_sa *sa, uint8_t tci, uint64_t pn,
                            ql_batch *batch, uint32_t i, uint32_t header)
{
    uint8_t saved[QL_HEADER_LIMIT], nonce[QL_NONCE_OCTETS];
    uint8_t *frame = batch->arena + batch->offset[i];
    uint8_t *data = frame + header;
    uint32_t data_octets = batch->length[i] - header;
    uint32_t tag_octets = tci & QL_TCI_SCI ? QL_SECTAG_OCTETS : QL_SECTAG_OCTETS_WITHOUT_SCI;
    uint8_t *aad = data - tag_octets - QL_ADDRESS_OCTETS;
    uint32_t clear = data_octets;
    if (sa->tci & QL_TCI_ENCRYPTED && sa->confidentiality_offset < data_octets)
        clear = sa->confidentiality_offset;

    memcpy(saved, frame, sizeof saved); /* perhaps with some octets of data */
    ql_header_write(data, saved, tci, (uint32_t)pn, side->config.sci, data_octets);
    ql_nonce(nonce, sa->nonce, pn);
    int done = side->cipher->encrypt(sa->key, nonce, aad, QL_ADDRESS_OCTETS + tag_octets + clear,
                                     data + clear, data_octets - clear, data + data_octets);
    if (!done) {
        memcpy(frame, saved, header);
        return QL_OUT_DISCARDS_NO_TRANSMIT_SA; /* a key that does not work is none; nothing leaves in clear */
    }
    if (header != QL_ADDRESS_OCTETS)
        memcpy(frame - tag_octets, saved, header);
    batch->offset[i] -= tag_octets;
    batch->length[i] += tag_octets + QL_ICV_OCTETS;
    int encrypted = sa->tci & QL_TCI_ENCRYPTED;
    ql_count(side->counters, encrypted ? QL_OUT_OCTETS_ENCRYPTED : QL_OUT_OCTETS_PROTECTED, data_octets);
    return encrypted ? QL_OUT_PKTS_ENCRYPTED : QL_OUT_PKTS_PROTECTED;
}

static uint8_t protect_frame(ql_transmit_side *side, ql_batch *batch, uint32_t i)
{
    const ql_secy_config *config = &side->config;
    uint32_t length = batch->length[i];
    if (!ql_fits(batch, i, QL_SECTAG_OCTETS, QL_ICV_OCTETS) || length > longest)
        return QL_NO_ROOM;
    if (length < QL_ETHERNET_HEADER_OCTETS)
        return QL_OUT_DISCARDS_TOO_SHORT;
    const uint8_t *frame = batch->arena + batch->offset[i];
    if (ql_bypasses(config, frame))
        return QL_OUT_PASSES_BYPASS;
    uint32_t header = ql_header_octets(frame, length, config->clear_tags);
    if (!ql_protects(config))
        return too_long(config, length, header) ? QL_OUT_PKTS_TOO_LONG : QL_OUT_PKTS_UNTAGGED;

    const ql_transmit_sa *sa = side->encoding; /* 10.5.1 */
    if (!ql_sendable(sa))
        return QL_OUT_DISCARDS_NO_TRANSMIT_SA;
    uint8_t tci = encode_tci(side, sa);
    uint32_t overhead = (tci & QL_TCI_SCI ? QL_SECTAG_OCTETS : QL_SECTAG_OCTETS_WITHOUT_SCI) + QL_ICV_OCTETS;
    if (too_long(config, length + overhead, header))
        return QL_OUT_PKTS_TOO_LONG;
    uint64_t pn = sa->use->next_pn++; /* 10.5.2; spent even if the cipher fails */
    return protect_data(side, sa, tci, pn, batch, i, header);
}

/* Raises the alarm once the next packet number has come to what was asked for. */
static void look_at_alarm(ql_transmit_side *side)
{
    if (side->alarm_pn == 0 || side->encoding == NULL)
        return;
    uint64_t next_pn = side->encoding->use->next_pn;
    if (next_pn == 0 || next_pn >= side->alarm_pn) {
        side->alarm_pn = 0;
        side->alarmed = 1;
    }
}

void ql_secy_protect(ql_secy *secy, ql_batch *batch)
{
    ql_transmit_side *side = secy->transmit;
    pthread_mutex_lock(&side->lock);
    for (uint32_t i = 0; i < batch->count; i++)
        ql_conclude(batch, i, protect_frame(side, batch, i), side->counters);
    look_at_alarm(side);
    pthread_mutex_unlock(&side->lock);
}

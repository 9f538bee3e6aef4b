/* Reads and writes the SecTAG, IEEE 802.1AE-2018 clause 9. */
#include "sectag.h"

#include <arpa/inet.h>
#include <string.h>

int ql_sectag_read(const uint8_t *mpdu, uint32_t mpdu_octets, ql_sectag *tag)
{
    if (mpdu_octets < 17 || ql_ethertype(mpdu) != QL_MACSEC) /* a, b */
        return 0;
    uint8_t tci = mpdu[2];
    uint8_t short_length = mpdu[3];
    int has_sci = (tci & QL_TCI_SCI) != 0;
    if (tci & QL_TCI_VERSION) /* c */
        return 0;
    if (has_sci && (tci & (QL_TCI_END_STATION | QL_TCI_SINGLE_COPY_BROADCAST))) /* d */
        return 0;
    if (short_length >= QL_SHORT_LENGTH_LIMIT) /* e, and 9.7 */
        return 0;

    /* f to i. All suites have a 16-octet ICV, so C makes no difference. More octets than SL tells are padding
       that the MAC added behind the ICV. */
    uint32_t tag_octets = has_sci ? QL_SECTAG_OCTETS : QL_SECTAG_OCTETS_WITHOUT_SCI;
    uint32_t overhead = tag_octets + QL_ICV_OCTETS;
    uint32_t data_octets = short_length != 0 ? short_length : QL_SHORT_LENGTH_LIMIT;
    if (mpdu_octets < overhead + data_octets)
        return 0;

    tag->tci = tci;
    memcpy(&tag->pn, mpdu + 4, sizeof tag->pn);
    tag->pn = ntohl(tag->pn);
    tag->sci = has_sci ? mpdu + 8 : NULL;
    tag->octets = tag_octets;
    tag->data_octets = short_length != 0 ? short_length : mpdu_octets - overhead;
    return 1;
}

static inline uint32_t word(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

void ql_header_write(uint8_t *data, const uint8_t *addresses, uint8_t tci, uint32_t pn, const uint8_t *sci,
                     uint32_t data_octets)
{
    typedef uint32_t block __attribute__((vector_size(16)));
    uint32_t short_length = data_octets < QL_SHORT_LENGTH_LIMIT ? data_octets : 0;
    uint32_t tag = htonl((uint32_t)QL_MACSEC << 16 | (uint32_t)tci << 8 | short_length);
    block first = {word(addresses), word(addresses + 4), word(addresses + 8), tag};
    pn = htonl(pn);
    if (tci & QL_TCI_SCI) {
        block second = {pn, word(sci), word(sci + 4), word(data)}; /* the data's are as they were */
        memcpy(data - QL_SECTAG_OCTETS - QL_ADDRESS_OCTETS, &first, sizeof first);
        memcpy(data - sizeof second + sizeof pn, &second, sizeof second);
    } else {
        memcpy(data - QL_SECTAG_OCTETS_WITHOUT_SCI - QL_ADDRESS_OCTETS, &first, sizeof first);
        memcpy(data - sizeof pn, &pn, sizeof pn);
    }
}

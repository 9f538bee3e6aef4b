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

void ql_sectag_write(uint8_t *at, uint8_t tci, uint32_t pn, const uint8_t *sci, uint32_t data_octets)
{
    at[0] = QL_MACSEC >> 8;
    at[1] = QL_MACSEC & 0xFF;
    at[2] = tci;
    at[3] = data_octets < QL_SHORT_LENGTH_LIMIT ? (uint8_t)data_octets : 0;
    pn = htonl(pn);
    memcpy(at + 4, &pn, sizeof pn);
    if (tci & QL_TCI_SCI)
        memcpy(at + 8, sci, 8);
}

#pragma once
#include <stdint.h>

#include "secy_api.h"

/* The SecTAG of IEEE 802.1AE-2018 clause 9 and the checks of 9.12. */

enum {
    QL_ADDRESS_OCTETS = 12, /* destination and source */
    QL_ETHERNET_HEADER_OCTETS = 14,
    QL_VLAN_TAG_OCTETS = 4,
    QL_HEADER_LIMIT = 12 + 2 * 4, /* addresses and QL_SECY_CLEAR_TAGS VLAN tags */
    QL_SECTAG_OCTETS_WITHOUT_SCI = 8,
    QL_SHORT_LENGTH_LIMIT = 48 /* SL counts Secure Data below this, and is 0 from here on */
};

enum {
    QL_TCI_VERSION = 0x80,
    QL_TCI_END_STATION = 0x40,
    QL_TCI_SCI = 0x20,
    QL_TCI_SINGLE_COPY_BROADCAST = 0x10,
    QL_TCI_ENCRYPTED = 0x08,
    QL_TCI_CHANGED = 0x04,
    QL_TCI_AN = 0x03
};

enum { QL_EAPOL = 0x888E, QL_MACSEC = 0x88E5, QL_CUSTOMER_TAG = 0x8100, QL_SERVICE_TAG = 0x88A8 };

typedef struct {
    uint8_t tci; /* with the AN */
    uint32_t pn;
    const uint8_t *sci;   /* in the MPDU; NULL when the tag has none */
    uint32_t octets;      /* of the tag */
    uint32_t data_octets; /* Secure Data without the ICV and any padding behind it */
} ql_sectag;

static inline uint16_t ql_ethertype(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* Addresses and the VLAN tags behind them, at most `tags` of them, of a frame of at least 14 octets. A tag
   that no EtherType follows is none. */
static inline uint32_t ql_header_octets(const uint8_t *frame, uint32_t length, uint32_t tags)
{
    uint32_t header = QL_ADDRESS_OCTETS;
    while (tags-- > 0 && length >= header + QL_VLAN_TAG_OCTETS + 2) {
        uint16_t ethertype = ql_ethertype(frame + header);
        if (ethertype != QL_CUSTOMER_TAG && ethertype != QL_SERVICE_TAG)
            break;
        header += QL_VLAN_TAG_OCTETS;
    }
    return header;
}

/* Reads the tag of an MPDU, which is all that follows addresses and clear VLAN tags. 0 when 9.12 a to i make
   it invalid. */
int ql_sectag_read(const uint8_t *mpdu, uint32_t mpdu_octets, ql_sectag *tag);

/* Writes addresses and SecTAG, with SCI where tci has QL_TCI_SCI, in front of `data`, in pieces as large as
   the cipher reads: what was written in smaller ones just before, a processor is slow to read. Four octets of
   `data` are read and written as they are. */
void ql_header_write(uint8_t *data, const uint8_t *addresses, uint8_t tci, uint32_t pn, const uint8_t *sci,
                     uint32_t data_octets);

#pragma once
#include <stdint.h>

#include "secy_api.h"

/* The SecTAG of IEEE 802.1AE-2018 clause 9 and the checks of 9.12. */

enum {
    QL_ADDRESS_OCTETS = 12, /* destination and source */
    QL_ETHERNET_HEADER_OCTETS = 14,
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

typedef struct {
    uint8_t tci; /* with the AN */
    uint32_t pn;
    const uint8_t *sci;   /* in the frame; NULL when the tag has none */
    uint32_t data_offset; /* of the Secure Data, from the start of the frame */
    uint32_t data_octets; /* without the ICV and any padding behind it */
} ql_sectag;

/* Whether a frame of at least 14 octets carries EtherType 88-E5. */
static inline int ql_has_sectag(const uint8_t *frame)
{
    return frame[12] == 0x88 && frame[13] == 0xE5;
}

/* Reads the tag of such a frame. 0 when 9.12 a to i, or PN zero, make it invalid. */
int ql_sectag_read(const uint8_t *frame, uint32_t length, ql_sectag *tag);

/* Writes a 16-octet tag for encrypted Secure Data (E = C = 1) of data_octets. */
void ql_sectag_write(uint8_t *at, uint8_t an, uint32_t pn, const uint8_t *sci, uint32_t data_octets);

/* Fuzz target: the SecTAG reader, and that the writer makes of what was read the same octets again. */
#include "input.h"
#include "sectag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *mpdu = malloc(size + !size);
    memcpy(mpdu, data, size);
    ql_sectag tag;
    if (ql_sectag_read(mpdu, (uint32_t)size, &tag)) {
        EXPECT(tag.octets == (tag.sci != NULL ? 16 : 8));
        EXPECT(tag.sci == NULL || tag.sci == mpdu + 8);
        EXPECT((tag.sci != NULL) == !!(tag.tci & QL_TCI_SCI));
        EXPECT(tag.data_octets > 0);
        EXPECT((uint64_t)tag.octets + tag.data_octets + QL_ICV_OCTETS <= size);
        uint8_t addresses[QL_ADDRESS_OCTETS] = "addresses", user[] = "data";
        uint8_t written[QL_ADDRESS_OCTETS + QL_SECTAG_OCTETS + sizeof user];
        uint8_t *behind = written + QL_ADDRESS_OCTETS + tag.octets;
        memcpy(behind, user, sizeof user);
        ql_header_write(behind, addresses, tag.tci, tag.pn, tag.sci, tag.data_octets);
        EXPECT(memcmp(written, addresses, sizeof addresses) == 0);
        EXPECT(memcmp(written + QL_ADDRESS_OCTETS, mpdu, tag.octets) == 0);
        EXPECT(memcmp(behind, user, sizeof user) == 0);
    }
    if (size >= QL_ETHERNET_HEADER_OCTETS)
        for (uint32_t tags = 0; tags <= QL_SECY_CLEAR_TAGS; tags++) {
            uint32_t header = ql_header_octets(mpdu, (uint32_t)size, tags);
            EXPECT(header >= QL_ADDRESS_OCTETS && header + 2 <= size);
            EXPECT(header <= QL_ADDRESS_OCTETS + tags * QL_VLAN_TAG_OCTETS);
        }
    free(mpdu);
    return 0;
}

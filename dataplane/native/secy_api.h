#pragma once
#include <stdint.h>

/* The MAC Security Entity (SecY) of IEEE 802.1AE-2018 as the engine's threads call it. GCM-AES-256,
   encrypted, SCI in every SecTAG, validateFrames strict, replayProtect on. Any thread may call any function.
 */

/* A run of frames in one arena. Frame i is arena[offset[i]] .. + length[i]. protect and validate work in
   place: they move offset and length, and leave a verdict for each frame. Frames do not overlap, and before
   protect each has QL_SECTAG_OCTETS of its own in front and QL_ICV_OCTETS behind. */
typedef struct {
    uint8_t *arena;
    uint64_t arena_size;
    uint32_t count;
    uint32_t *offset;
    uint32_t *length;
    uint8_t *verdict;
} ql_batch;

/* What became of a frame and, one lower, the slot that counts it: counters[verdict - 1]. The names are those
   of clause 10.7; DISCARDS are outcomes for which the standard has no counter. The transmit side writes slots
   0 to 7, one cache line, and the receive side 8 to 23. */
enum ql_verdict {
    QL_PENDING = 0,
    QL_OUT_PKTS_UNTAGGED = 1,
    QL_OUT_PKTS_TOO_LONG = 2,
    QL_OUT_PKTS_PROTECTED = 3,
    QL_OUT_PKTS_ENCRYPTED = 4,
    QL_OUT_OCTETS_PROTECTED = 5,
    QL_OUT_OCTETS_ENCRYPTED = 6,
    QL_OUT_DISCARDS_NO_TRANSMIT_SA = 7, /* no transmit SA in use, or its PN is exhausted */
    QL_OUT_DISCARDS_TOO_SHORT = 8,      /* not an Ethernet frame */
    QL_IN_PKTS_UNTAGGED = 9,
    QL_IN_PKTS_NO_TAG = 10,
    QL_IN_PKTS_BAD_TAG = 11,
    QL_IN_PKTS_NO_SA = 12,
    QL_IN_PKTS_NO_SA_ERROR = 13,
    QL_IN_PKTS_OVERRUN = 14,
    QL_IN_PKTS_OK = 15,
    QL_IN_PKTS_UNCHECKED = 16,
    QL_IN_PKTS_DELAYED = 17,
    QL_IN_PKTS_LATE = 18,
    QL_IN_PKTS_INVALID = 19,
    QL_IN_PKTS_NOT_VALID = 20,
    QL_IN_OCTETS_VALIDATED = 21,
    QL_IN_OCTETS_DECRYPTED = 22,
    QL_IN_DISCARDS_KAY = 23,       /* E set, C clear: not for the Controlled Port */
    QL_IN_DISCARDS_TOO_SHORT = 24, /* not an Ethernet frame */
    QL_NO_ROOM = 25 /* outside the arena, or no room to grow: the caller's fault, not counted */
};

enum ql_secy_size {
    QL_SECY_COUNTERS = 24,
    QL_SECY_RECEIVE_CHANNELS = 8,
    QL_SECY_SAK_OCTETS = 32,
    QL_SECTAG_OCTETS = 16, /* with SCI */
    QL_ICV_OCTETS = 16
};

enum ql_secy_error {
    QL_SECY_BAD_AN = -1,            /* an association number is 0 to 3 */
    QL_SECY_BAD_PN = -2,            /* a packet number is 1 to 2^32 - 1 */
    QL_SECY_PN_USED = -3,           /* that key has used, or has accepted, that packet number already */
    QL_SECY_TOO_MANY_CHANNELS = -4, /* all QL_SECY_RECEIVE_CHANNELS are taken */
    QL_SECY_NO_SUCH_SA = -5,
    QL_SECY_NO_MEMORY = -6
};

typedef struct ql_secy ql_secy;

/* The cipher libraries usable on this machine, best first; NULL past the last. */
const char *ql_cipher_library_name(uint32_t index);

/* counters: 24 slots that outlive the SecY, 64-octet aligned if lines are not to be shared; NULL for its own.
   cipher_library: a name from above, NULL for the best. NULL when it is unknown or memory is short. */
ql_secy *ql_secy_new(const uint8_t sci[8], uint32_t replay_window, const char *cipher_library,
                     uint64_t *counters);
/* Wipes all keys. No other thread may be using the SecY. */
void ql_secy_free(ql_secy *secy);

/* Installs a 32-octet SAK and transmits with it from the next frame on. 0 or a ql_secy_error. */
int ql_secy_install_transmit_sa(ql_secy *secy, uint8_t an, const uint8_t sak[32], uint64_t next_pn);
/* Creates the receive SC when this is its first SA. 0 or a ql_secy_error. */
int ql_secy_install_receive_sa(ql_secy *secy, const uint8_t sci[8], uint8_t an, const uint8_t sak[32],
                               uint64_t lowest_pn);
/* The key is wiped; the receive SC goes with its last SA. 0 or a ql_secy_error. */
int ql_secy_remove_transmit_sa(ql_secy *secy, uint8_t an);
int ql_secy_remove_receive_sa(ql_secy *secy, const uint8_t sci[8], uint8_t an);

/* Copies the SAK in use for transmission: the one way a key leaves the core. 0 or QL_SECY_NO_SUCH_SA. */
int ql_secy_export_sak(ql_secy *secy, uint8_t sak[32]);

/* Clause 10.5 and 10.6. Every frame gets a verdict, whatever it came with. Frames that do not pass keep
   offset and length; the Secure Data of one that failed validation is zeroed. */
void ql_secy_protect(ql_secy *secy, ql_batch *batch);
void ql_secy_validate(ql_secy *secy, ql_batch *batch);
/* Whether a frame with this verdict goes on to the next stage. */
int ql_verdict_passes(uint8_t verdict);

/* MAC_Operational, clause 10.7.4: a transmit SA is in use and its PN is not exhausted. */
int ql_secy_operational(const ql_secy *secy);
/* The AN in use for transmission, or -1. */
int ql_secy_encoding_sa(const ql_secy *secy);
/* The PN that the next frame takes; 2^32 when exhausted, 0 without a transmit SA. */
uint64_t ql_secy_next_pn(const ql_secy *secy);
const uint64_t *ql_secy_counters(const ql_secy *secy);
const char *ql_secy_cipher_library(const ql_secy *secy);

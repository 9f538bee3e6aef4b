#pragma once
#include <stdint.h>

/* The MAC Security Entity (SecY) of IEEE 802.1AE-2018 as the engine's threads call it. Any thread may call
   any function. */

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

/* Whether all frames lie in the arena; 0 or 1. */
int ql_batch_fits(const ql_batch *batch);

/* What became of a frame and, one lower, the slot that counts it: counters[verdict - 1]. The names are those
   of clause 10.7 and Figure 10-4; DISCARDS and PASSES are outcomes for which the standard has no counter.
   UNUSED_SA and NOT_USING_SA, the part of NO_SA and NO_SA_ERROR whose SC is known, are counted but are no
   verdicts. The transmit side writes slots 0 to 15, two cache lines, and the receive side 16 to 39. */
enum ql_verdict {
    QL_PENDING = 0,
    QL_OUT_PKTS_UNTAGGED = 1,
    QL_OUT_PKTS_TOO_LONG = 2,
    QL_OUT_PKTS_PROTECTED = 3,
    QL_OUT_PKTS_ENCRYPTED = 4,
    QL_OUT_OCTETS_PROTECTED = 5,
    QL_OUT_OCTETS_ENCRYPTED = 6,
    QL_OUT_DISCARDS_NO_TRANSMIT_SA = 7, /* no transmit SA in use, or it may use no further PN */
    QL_OUT_DISCARDS_TOO_SHORT = 8,      /* not an Ethernet frame */
    QL_OUT_PASSES_BYPASS = 9,           /* of an EtherType that bypasses the SecY */
    QL_IN_PKTS_UNTAGGED = 17,
    QL_IN_PKTS_NO_TAG = 18,
    QL_IN_PKTS_BAD_TAG = 19,
    QL_IN_PKTS_NO_SA = 20,
    QL_IN_PKTS_NO_SA_ERROR = 21,
    QL_IN_PKTS_OVERRUN = 22,
    QL_IN_PKTS_OK = 23,
    QL_IN_PKTS_UNCHECKED = 24,
    QL_IN_PKTS_DELAYED = 25,
    QL_IN_PKTS_LATE = 26,
    QL_IN_PKTS_INVALID = 27,
    QL_IN_PKTS_NOT_VALID = 28,
    QL_IN_OCTETS_VALIDATED = 29,
    QL_IN_OCTETS_DECRYPTED = 30,
    QL_IN_PKTS_UNUSED_SA = 31,
    QL_IN_PKTS_NOT_USING_SA = 32,
    QL_IN_DISCARDS_KAY = 33,          /* E set, C clear: not for the Controlled Port */
    QL_IN_DISCARDS_UNCONTROLLED = 34, /* EAPOL */
    QL_IN_DISCARDS_TOO_SHORT = 35,    /* not an Ethernet frame */
    QL_IN_PASSES_BYPASS = 36,         /* untagged, of an EtherType that bypasses the SecY */
    QL_IN_PASSES_NULL = 37,           /* validateFrames null */
    QL_NO_ROOM = 41 /* outside the arena, or no room to grow: the caller's fault, not counted */
};

enum ql_secy_size {
    QL_SECY_COUNTERS = 40,
    QL_SECY_CHANNEL_COUNTERS = 8,
    QL_SECY_RECEIVE_CHANNELS = 1024,
    QL_SECY_DUPLICATE_WINDOW = 4096,
    QL_SECY_CLEAR_TAGS = 2,
    QL_SECY_BYPASSES = 8,
    QL_SECY_SAK_OCTETS = 32, /* at most */
    QL_SALT_OCTETS = 12,
    QL_SECTAG_OCTETS = 16, /* with SCI */
    QL_ICV_OCTETS = 16
};

enum ql_validate_frames {
    QL_VALIDATE_NULL = 0,
    QL_VALIDATE_DISABLED = 1,
    QL_VALIDATE_CHECK = 2,
    QL_VALIDATE_STRICT = 3
};

/* Management parameters, clause 10.7. Truth values are 0 or 1. */
typedef struct {
    uint8_t sci[8];
    uint8_t sak_octets; /* 16 or 32 */
    uint8_t xpn;        /* 64-bit packet numbers, SSCI and salt */
    uint8_t validate_frames;
    uint8_t protect_frames;
    uint8_t replay_protect;
    uint8_t detect_duplicates; /* replay_window is at most QL_SECY_DUPLICATE_WINDOW then */
    uint8_t always_include_sci;
    uint8_t use_es;
    uint8_t use_scb;
    uint8_t clear_tags; /* at most QL_SECY_CLEAR_TAGS */
    uint8_t bypass_count;
    uint16_t bypass[8]; /* EtherTypes; QL_SECY_BYPASSES */
    uint32_t replay_window;
    uint32_t mtu; /* of the Common Port, behind the Ethernet header; 0 for no limit */
} ql_secy_config;

/* A SAK and what is agreed together with it. The key is only read during the call. */
typedef struct {
    const uint8_t *key; /* sak_octets */
    uint8_t salt[12];   /* XPN; QL_SALT_OCTETS */
    uint32_t ssci;      /* XPN */
    uint8_t encrypt;    /* transmit: or integrity only */
    uint8_t confidentiality_offset;
} ql_sak;

enum ql_secy_error {
    QL_SECY_BAD_PARAMETER = -1,
    QL_SECY_PN_USED = -2,           /* that key has used, or has accepted, that packet number already */
    QL_SECY_TOO_MANY_CHANNELS = -3, /* all QL_SECY_RECEIVE_CHANNELS are taken */
    QL_SECY_NO_SUCH_SA = -4,
    QL_SECY_NO_SUCH_CHANNEL = -5,
    QL_SECY_OWN_SCI = -6,    /* a peer has another SCI than this SecY */
    QL_SECY_SSCI_TAKEN = -7, /* by another SC with the same SAK */
    QL_SECY_SHORTER = -8,    /* takes back packet numbers that an SA may use */
    QL_SECY_NO_MEMORY = -9,
    QL_SECY_OTHER_SALT = -10 /* than that with which the SAK was used to transmit before */
};

typedef struct ql_secy ql_secy;

/* The cipher libraries usable on this machine, best first; NULL past the last. */
const char *ql_cipher_library_name(uint32_t index);

/* counters: 40 slots that outlive the SecY, 64-octet aligned if lines are not to be shared; NULL for its own.
   cipher_library: a name from above, NULL for the best. NULL when it is unknown, a parameter is out of its
   range, or memory is short. */
ql_secy *ql_secy_new(const ql_secy_config *config, const char *cipher_library, uint64_t *counters);
/* Wipes all keys. No other thread may be using the SecY. */
void ql_secy_free(ql_secy *secy);

/* All parameters at once, between two frames. SCI, suite and, while a receive SA is installed,
   detect_duplicates stay as they are. 0 or a ql_secy_error, as all functions below that return int. */
int ql_secy_configure(ql_secy *secy, const ql_secy_config *config);

/* Transmits with this SAK from the next frame on, up to last_pn. */
int ql_secy_install_transmit_sa(ql_secy *secy, uint8_t an, const ql_sak *sak, uint64_t next_pn,
                                uint64_t last_pn);
int ql_secy_extend_transmit_sa(ql_secy *secy, uint8_t an, uint64_t last_pn);
/* Creates the receive SC when this is its first SA. */
int ql_secy_install_receive_sa(ql_secy *secy, const uint8_t sci[8], uint8_t an, const ql_sak *sak,
                               uint64_t lowest_pn);
/* The key is wiped; the receive SC goes with its last SA. */
int ql_secy_remove_transmit_sa(ql_secy *secy, uint8_t an);
int ql_secy_remove_receive_sa(ql_secy *secy, const uint8_t sci[8], uint8_t an);

/* Copies the SAK in use for transmission, sak_octets long: the one way a key leaves the core. */
int ql_secy_export_sak(ql_secy *secy, uint8_t sak[32]);

/* Clause 10.5 and 10.6. Every frame gets a verdict, whatever it came with. Frames that do not pass keep
   offset and length; the Secure Data of one that was encrypted and is discarded as not valid is zeroed. */
void ql_secy_protect(ql_secy *secy, ql_batch *batch);
void ql_secy_validate(ql_secy *secy, ql_batch *batch);
/* Whether a frame with this verdict goes on to the next stage. */
int ql_verdict_passes(uint8_t verdict);

/* MAC_Operational, clause 10.7.4: frames can be sent. */
int ql_secy_operational(const ql_secy *secy);

/* The SA in use for transmission; an is -1 without one. next_pn is 0 when those of XPN are exhausted, 2^32
   when the others are. */
typedef struct {
    int an;
    uint64_t next_pn;
    uint64_t last_pn;
} ql_transmit_state;
void ql_secy_transmit_state(const ql_secy *secy, ql_transmit_state *state);

/* A receive SA; next_pn is 0 behind the last PN of XPN. */
typedef struct {
    uint64_t next_pn;
    uint64_t lowest_pn;
} ql_receive_state;
int ql_secy_receive_state(const ql_secy *secy, const uint8_t sci[8], uint8_t an, ql_receive_state *state);

/* QL_SECY_CHANNEL_COUNTERS of a receive SC: OK, Unchecked, Delayed, Late, Invalid, NotValid, UnusedSA,
   NotUsingSA. */
int ql_secy_channel_counters(const ql_secy *secy, const uint8_t sci[8], uint64_t counters[8]);

/* Asks to be told once the next packet number to send has come to alarm_pn; 0 asks no longer. */
void ql_secy_set_alarm(ql_secy *secy, uint64_t alarm_pn);
/* Whether it has since the last call; 0 or 1. */
int ql_secy_take_alarm(ql_secy *secy);

const char *ql_secy_cipher_library(const ql_secy *secy);

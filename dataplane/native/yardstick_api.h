#pragma once
#include <mcheck.h>
#include <stdint.h>

#include "secy_api.h"

/* A cipher library in a bare loop, as its own documentation shows it for frames: no SecY around it, none of
   the SecY's code under it. `bench crypto` holds the SecY against it; nothing else uses it. */

enum { QL_YARDSTICK_SAK_OCTETS = 32, QL_YARDSTICK_AAD_OCTETS = 28, QL_YARDSTICK_STRIDE = 1597 };

typedef struct ql_yardstick ql_yardstick;

/* AES-256-GCM with `count` keys, a power of two, that stand one behind the other in `saks`. NULL when the
   library is none of "ipsec-mb" and "openssl", is not in this build, or memory is short. */
ql_yardstick *ql_yardstick_new(const char *library, const uint8_t *saks, uint32_t count);
void ql_yardstick_free(ql_yardstick *yardstick);

/* Encrypts each frame of a batch where SecY.protect would: AAD from QL_SECTAG_OCTETS before the frame, text
   from behind its addresses, ICV behind the frame. Frame i takes key i * QL_YARDSTICK_STRIDE % count, which
   no prefetcher foresees, and packet number i in its nonce. Offsets, lengths and verdicts stay as they are.
 */
void ql_yardstick_encrypt(ql_yardstick *yardstick, const ql_batch *batch);
/* Decrypts what ql_yardstick_encrypt made of the batch. How many ICVs are right. */
uint32_t ql_yardstick_decrypt(ql_yardstick *yardstick, const ql_batch *batch);

/* Of glibc: between the two it writes down every allocation, in a process that is set up for it (mtrace(3)).
 */
void mtrace(void);
void muntrace(void);

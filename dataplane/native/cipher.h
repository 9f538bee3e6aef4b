#pragma once
#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "secy_api.h"

/* The seam to the library that computes AES-256-GCM (clause 14.6), one key schedule per SA. */

enum { QL_NONCE_OCTETS = 12 };

/* The IV of suites with a 32-bit PN, 14.5 and 14.6: SCI, then PN. */
static inline void ql_nonce(uint8_t *nonce, const uint8_t *sci, uint32_t pn)
{
    pn = htonl(pn);
    memcpy(nonce, sci, 8);
    memcpy(nonce + 8, &pn, sizeof pn);
}

/* A key is used by one thread at a time, for one direction. encrypt and decrypt work in place, allocate
   nothing and return whether they succeeded; decrypt compares the ICV in constant time. After a failure the
   text is not to be trusted and not to be shown. */
typedef struct {
    const char *name;
    int (*usable)(void);
    void *(*new_key)(const uint8_t sak[32]);
    void (*free_key)(void *key);
    int (*encrypt)(void *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_octets, uint8_t *text,
                   size_t text_octets, uint8_t *icv);
    int (*decrypt)(void *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_octets, uint8_t *text,
                   size_t text_octets, const uint8_t *icv);
} ql_cipher_library;

extern const ql_cipher_library ql_cipher_openssl;
#ifdef QUADLINK_IPSEC_MB
extern const ql_cipher_library ql_cipher_ipsec_mb;
#endif

/* The usable library of that name, or the best one for NULL; NULL when there is none. */
const ql_cipher_library *ql_cipher_library_find(const char *name);

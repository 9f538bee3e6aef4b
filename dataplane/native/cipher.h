#pragma once
#include <stddef.h>
#include <stdint.h>

#include "secy_api.h"

/* The seam to the library that computes AES-GCM (clause 14.5 to 14.8), one key schedule per SA. */

enum { QL_NONCE_OCTETS = 12 };

/* sak_octets is 16 or 32. A key is used by one thread at a time, for one direction. encrypt and decrypt work
   in place, allocate nothing and return whether they succeeded; decrypt compares the ICV in constant time.
   After a failure the text is not to be trusted and not to be shown. text_octets is 0 for integrity only.
   key_octets from the key on are worth to have in the cache before it is used. */
typedef struct {
    const char *name;
    uint32_t key_octets;
    int (*usable)(void);
    void *(*new_key)(const uint8_t *sak, uint32_t sak_octets);
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

/* AES-GCM from Intel's ipsec-mb, through its direct calls: no job queue, one frame a call. */
#ifdef QUADLINK_IPSEC_MB
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

#include "cipher.h"

/* Only its table of functions is used after the start, which any thread may read. */
static IMB_MGR *manager;
static pthread_once_t manager_once = PTHREAD_ONCE_INIT;

static void start_manager(void)
{
    /* SAFE_DATA: it clears what registers, stack and contexts hold of a key when a call ends. */
    const uint64_t needed =
        IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SELF_TEST_PASS | IMB_FEATURE_SAFE_DATA;
    IMB_MGR *started = alloc_mb_mgr(0);
    if (started == NULL)
        return;
    init_mb_mgr_auto(started, NULL);
    if (imb_get_errno(started) == 0 && (started->features & needed) == needed)
        manager = started;
    else
        free_mb_mgr(started);
}

static int usable(void)
{
    pthread_once(&manager_once, start_manager);
    return manager != NULL;
}

typedef struct {
    struct gcm_key_data schedule;
    aes_gcm_enc_dec_t encrypt;
    aes_gcm_enc_dec_t decrypt;
} ipsec_mb_key;

static void *new_key(const uint8_t *sak, uint32_t sak_octets)
{
    ipsec_mb_key *key = aligned_alloc(64, (sizeof *key + 63) / 64 * 64);
    if (key == NULL)
        return NULL;
    if (sak_octets == 16) {
        IMB_AES128_GCM_PRE(manager, sak, &key->schedule);
        key->encrypt = manager->gcm128_enc;
        key->decrypt = manager->gcm128_dec;
    } else {
        IMB_AES256_GCM_PRE(manager, sak, &key->schedule);
        key->encrypt = manager->gcm256_enc;
        key->decrypt = manager->gcm256_dec;
    }
    return key;
}

static void free_key(void *key)
{
    if (key != NULL)
        OPENSSL_cleanse(key, sizeof(ipsec_mb_key));
    free(key);
}

static int encrypt(void *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_octets, uint8_t *text,
                   size_t text_octets, uint8_t *icv)
{
    const ipsec_mb_key *with = key;
    struct gcm_context_data context;
    with->encrypt(&with->schedule, &context, text, text, text_octets, nonce, aad, aad_octets, icv,
                  QL_ICV_OCTETS);
    return 1;
}

static int decrypt(void *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_octets, uint8_t *text,
                   size_t text_octets, const uint8_t *icv)
{
    const ipsec_mb_key *with = key;
    struct gcm_context_data context;
    uint8_t computed[QL_ICV_OCTETS];
    with->decrypt(&with->schedule, &context, text, text, text_octets, nonce, aad, aad_octets, computed,
                  QL_ICV_OCTETS);
    return CRYPTO_memcmp(computed, icv, QL_ICV_OCTETS) == 0;
}

const ql_cipher_library ql_cipher_ipsec_mb = {
    "ipsec-mb", sizeof(ipsec_mb_key), usable, new_key, free_key, encrypt, decrypt,
};
#else
typedef int ql_no_ipsec_mb; /* a translation unit is not empty */
#endif

/* The bare loops over ipsec-mb's direct calls and OpenSSL's EVP that measure what the SecY adds. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#ifdef QUADLINK_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

#include "sectag.h"
#include "yardstick_api.h"

enum { NONCE_OCTETS = 12, PN_AT = 8, CACHE_LINE_OCTETS = 64 };

struct ql_yardstick {
    uint32_t count;
#ifdef QUADLINK_IPSEC_MB
    IMB_MGR *manager; /* NULL: OpenSSL */
    struct ipsec_mb_key {
        _Alignas(CACHE_LINE_OCTETS) struct gcm_key_data schedule;
    } *schedules;
#endif
    EVP_CIPHER_CTX **contexts;
};

static inline uint32_t key_of(const ql_yardstick *yardstick, uint32_t i)
{
    return i * QL_YARDSTICK_STRIDE & (yardstick->count - 1);
}

#ifdef QUADLINK_IPSEC_MB
static inline const struct gcm_key_data *schedule_of(const ql_yardstick *yardstick, uint32_t i)
{
    return &yardstick->schedules[key_of(yardstick, i)].schedule;
}

static int new_schedules(ql_yardstick *yardstick, const uint8_t *saks)
{
    yardstick->manager = alloc_mb_mgr(0);
    yardstick->schedules = aligned_alloc(CACHE_LINE_OCTETS, yardstick->count * sizeof *yardstick->schedules);
    if (yardstick->manager == NULL || yardstick->schedules == NULL)
        return 0;
    init_mb_mgr_auto(yardstick->manager, NULL);
    for (uint32_t i = 0; i < yardstick->count; i++)
        IMB_AES256_GCM_PRE(yardstick->manager, saks + (size_t)QL_YARDSTICK_SAK_OCTETS * i,
                           &yardstick->schedules[i].schedule);
    return imb_get_errno(yardstick->manager) == 0;
}

static void encrypt_ipsec_mb(ql_yardstick *yardstick, const ql_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        uint8_t *frame = batch->arena + batch->offset[i], *text = frame + QL_ADDRESS_OCTETS;
        uint8_t nonce[NONCE_OCTETS] = {0};
        struct gcm_context_data context;
        memcpy(nonce + PN_AT, &i, sizeof i);
        IMB_AES256_GCM_ENC(yardstick->manager, schedule_of(yardstick, i), &context, text, text,
                           batch->length[i] - QL_ADDRESS_OCTETS, nonce, frame - QL_SECTAG_OCTETS,
                           QL_YARDSTICK_AAD_OCTETS, frame + batch->length[i], QL_ICV_OCTETS);
    }
}

static uint32_t decrypt_ipsec_mb(ql_yardstick *yardstick, const ql_batch *batch)
{
    uint32_t right = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        uint8_t *frame = batch->arena + batch->offset[i], *text = frame + QL_ADDRESS_OCTETS;
        uint8_t nonce[NONCE_OCTETS] = {0}, icv[QL_ICV_OCTETS];
        struct gcm_context_data context;
        memcpy(nonce + PN_AT, &i, sizeof i);
        IMB_AES256_GCM_DEC(yardstick->manager, schedule_of(yardstick, i), &context, text, text,
                           batch->length[i] - QL_ADDRESS_OCTETS, nonce, frame - QL_SECTAG_OCTETS,
                           QL_YARDSTICK_AAD_OCTETS, icv, QL_ICV_OCTETS);
        right += memcmp(icv, frame + batch->length[i], QL_ICV_OCTETS) == 0;
    }
    return right;
}
#endif

static int new_contexts(ql_yardstick *yardstick, const uint8_t *saks)
{
    yardstick->contexts = calloc(yardstick->count, sizeof *yardstick->contexts);
    for (uint32_t i = 0; yardstick->contexts != NULL && i < yardstick->count; i++) {
        EVP_CIPHER_CTX *context = yardstick->contexts[i] = EVP_CIPHER_CTX_new();
        const uint8_t *sak = saks + (size_t)QL_YARDSTICK_SAK_OCTETS * i;
        if (context == NULL || EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, sak, NULL) != 1)
            return 0;
    }
    return yardstick->contexts != NULL;
}

static void encrypt_openssl(ql_yardstick *yardstick, const ql_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        uint8_t *frame = batch->arena + batch->offset[i], *text = frame + QL_ADDRESS_OCTETS;
        EVP_CIPHER_CTX *context = yardstick->contexts[key_of(yardstick, i)];
        uint8_t nonce[NONCE_OCTETS] = {0};
        int octets = (int)(batch->length[i] - QL_ADDRESS_OCTETS), written;
        memcpy(nonce + PN_AT, &i, sizeof i);
        EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce);
        EVP_EncryptUpdate(context, NULL, &written, frame - QL_SECTAG_OCTETS, QL_YARDSTICK_AAD_OCTETS);
        EVP_EncryptUpdate(context, text, &written, text, octets);
        EVP_EncryptFinal_ex(context, text + octets, &written);
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, QL_ICV_OCTETS, text + octets);
    }
}

static uint32_t decrypt_openssl(ql_yardstick *yardstick, const ql_batch *batch)
{
    uint32_t right = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        uint8_t *frame = batch->arena + batch->offset[i], *text = frame + QL_ADDRESS_OCTETS;
        EVP_CIPHER_CTX *context = yardstick->contexts[key_of(yardstick, i)];
        uint8_t nonce[NONCE_OCTETS] = {0};
        int octets = (int)(batch->length[i] - QL_ADDRESS_OCTETS), written;
        memcpy(nonce + PN_AT, &i, sizeof i);
        EVP_DecryptInit_ex(context, NULL, NULL, NULL, nonce);
        EVP_DecryptUpdate(context, NULL, &written, frame - QL_SECTAG_OCTETS, QL_YARDSTICK_AAD_OCTETS);
        EVP_DecryptUpdate(context, text, &written, text, octets);
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, QL_ICV_OCTETS, text + octets);
        right += EVP_DecryptFinal_ex(context, text + octets, &written) == 1;
    }
    return right;
}

ql_yardstick *ql_yardstick_new(const char *library, const uint8_t *saks, uint32_t count)
{
    ql_yardstick *yardstick = count > 0 ? calloc(1, sizeof *yardstick) : NULL;
    if (yardstick == NULL)
        return NULL;
    yardstick->count = count;
    int made = 0;
    if (strcmp(library, "openssl") == 0)
        made = new_contexts(yardstick, saks);
#ifdef QUADLINK_IPSEC_MB
    else if (strcmp(library, "ipsec-mb") == 0)
        made = new_schedules(yardstick, saks);
#endif
    if (!made) {
        ql_yardstick_free(yardstick);
        return NULL;
    }
    return yardstick;
}

void ql_yardstick_free(ql_yardstick *yardstick)
{
    if (yardstick == NULL)
        return;
#ifdef QUADLINK_IPSEC_MB
    if (yardstick->manager != NULL)
        free_mb_mgr(yardstick->manager);
    free(yardstick->schedules);
#endif
    for (uint32_t i = 0; yardstick->contexts != NULL && i < yardstick->count; i++)
        EVP_CIPHER_CTX_free(yardstick->contexts[i]);
    free(yardstick->contexts);
    free(yardstick);
}

void ql_yardstick_encrypt(ql_yardstick *yardstick, const ql_batch *batch)
{
#ifdef QUADLINK_IPSEC_MB
    if (yardstick->manager != NULL) {
        encrypt_ipsec_mb(yardstick, batch);
        return;
    }
#endif
    encrypt_openssl(yardstick, batch);
}

uint32_t ql_yardstick_decrypt(ql_yardstick *yardstick, const ql_batch *batch)
{
#ifdef QUADLINK_IPSEC_MB
    if (yardstick->manager != NULL)
        return decrypt_ipsec_mb(yardstick, batch);
#endif
    return decrypt_openssl(yardstick, batch);
}

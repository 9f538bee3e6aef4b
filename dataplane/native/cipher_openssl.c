/* AES-GCM from OpenSSL's EVP: one context per SA, re-armed with a nonce for each frame. */
#include <openssl/evp.h>

#include "cipher.h"

static int usable(void)
{
    return 1;
}

static void free_key(void *key)
{
    EVP_CIPHER_CTX_free(key); /* cleanses the key schedule */
}

/* GCM runs the block cipher forwards in both directions, so a key set for encryption also decrypts. */
static void *new_key(const uint8_t *sak, uint32_t sak_octets)
{
    const EVP_CIPHER *cipher = sak_octets == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL || EVP_EncryptInit_ex(context, cipher, NULL, sak, NULL) != 1) {
        free_key(context);
        return NULL;
    }
    return context;
}

static int encrypt(void *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_octets, uint8_t *text,
                   size_t text_octets, uint8_t *icv)
{
    int written;
    return EVP_EncryptInit_ex(key, NULL, NULL, NULL, nonce) == 1 &&
           EVP_EncryptUpdate(key, NULL, &written, aad, (int)aad_octets) == 1 &&
           EVP_EncryptUpdate(key, text, &written, text, (int)text_octets) == 1 &&
           EVP_EncryptFinal_ex(key, text + text_octets, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(key, EVP_CTRL_AEAD_GET_TAG, QL_ICV_OCTETS, icv) == 1;
}

static int decrypt(void *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_octets, uint8_t *text,
                   size_t text_octets, const uint8_t *icv)
{
    int written;
    return EVP_DecryptInit_ex(key, NULL, NULL, NULL, nonce) == 1 &&
           EVP_CIPHER_CTX_ctrl(key, EVP_CTRL_AEAD_SET_TAG, QL_ICV_OCTETS, (void *)icv) == 1 &&
           EVP_DecryptUpdate(key, NULL, &written, aad, (int)aad_octets) == 1 &&
           EVP_DecryptUpdate(key, text, &written, text, (int)text_octets) == 1 &&
           EVP_DecryptFinal_ex(key, text + text_octets, &written) == 1;
}

const ql_cipher_library ql_cipher_openssl = {
    "openssl", 0, usable, new_key, free_key, encrypt, decrypt,
};

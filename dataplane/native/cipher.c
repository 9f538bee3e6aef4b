/* Chooses among the cipher libraries that this build knows and this CPU supports. */
#include "cipher.h"

#include <string.h>

static const ql_cipher_library *const best_first[] = {
#ifdef QUADLINK_IPSEC_MB
    &ql_cipher_ipsec_mb,
#endif
    &ql_cipher_openssl,
};

enum { LIBRARIES = sizeof best_first / sizeof best_first[0] };

const char *ql_cipher_library_name(uint32_t index)
{
    for (size_t i = 0; i < LIBRARIES; i++) {
        if (best_first[i]->usable() && index-- == 0)
            return best_first[i]->name;
    }
    return NULL;
}

const ql_cipher_library *ql_cipher_library_find(const char *name)
{
    for (size_t i = 0; i < LIBRARIES; i++) {
        if ((name == NULL || strcmp(name, best_first[i]->name) == 0) && best_first[i]->usable())
            return best_first[i];
    }
    return NULL;
}

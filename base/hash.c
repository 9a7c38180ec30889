#include "quantfs/base.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

struct qfs_digest qfs_hash(const void *data, size_t size)
{
    XXH128_hash_t hash = XXH3_128bits(data, size);
    return (struct qfs_digest){hash.low64, hash.high64};
}

uint64_t qfs_hash64(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

uint64_t qfs_hash64_seed(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

void qfs_digest_hex(struct qfs_digest digest, char ret_hex[33])
{
    snprintf(ret_hex, 33, "%016llx%016llx", (unsigned long long)digest.high,
             (unsigned long long)digest.low);
}

struct qfs_sha256 {
    EVP_MD_CTX *context;
};

struct qfs_sha256 *qfs_sha256_new(void)
{
    struct qfs_sha256 *sha = calloc(1, sizeof(*sha));
    if (!sha)
        return NULL;
    sha->context = EVP_MD_CTX_new();
    if (!sha->context || !EVP_DigestInit_ex(sha->context, EVP_sha256(), NULL)) {
        qfs_sha256_free(sha);
        return NULL;
    }
    return sha;
}

void qfs_sha256_update(struct qfs_sha256 *sha, const void *data, size_t size)
{
    EVP_DigestUpdate(sha->context, data, size);
}

void qfs_sha256_hex(struct qfs_sha256 *sha, char ret_hex[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_DigestFinal_ex(sha->context, digest, NULL);
    for (int i = 0; i < 32; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[64] = 0;
}

void qfs_sha256_free(struct qfs_sha256 *sha)
{
    if (sha) {
        EVP_MD_CTX_free(sha->context);
        free(sha);
    }
}

#include "CKernels.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t pl_xxh64(const void *bytes, size_t length, uint64_t seed) { return XXH64(bytes, length, seed); }

uint64_t pl_xxh3(const void *bytes, size_t length) { return XXH3_64bits(bytes, length); }

uint32_t pl_xxh32(const void *bytes, size_t length, uint32_t seed) { return XXH32(bytes, length, seed); }

uint64_t pl_xxh3_128(const void *bytes, size_t length, uint64_t *low) {
  XXH128_hash_t hash = XXH3_128bits(bytes, length);
  *low = hash.low64;
  return hash.high64;
}

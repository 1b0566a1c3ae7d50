#include "CKernels.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t pl_xxh64(const void *bytes, size_t length, uint64_t seed) { return XXH64(bytes, length, seed); }

uint64_t pl_xxh3(const void *bytes, size_t length) { return XXH3_64bits(bytes, length); }

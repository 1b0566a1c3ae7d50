#include "minhash.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define AVX512 __attribute__((target("avx2,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,prefer-256-bit")))
#endif
#define INLINE static inline __attribute__((always_inline))

static pl_simd_level widest_of_processor(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2")) return PL_SIMD_BASELINE;
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
             ? PL_SIMD_AVX512
             : PL_SIMD_AVX2;
#else
  return PL_SIMD_BASELINE;
#endif
}

pl_simd_level pl_simd_widest(void) {
  const char *asked = getenv("PIPELINE_SIMD");
  pl_simd_level level = widest_of_processor();
  if (asked && strcmp(asked, "portable") == 0) return PL_SIMD_BASELINE;
  return asked && strcmp(asked, "avx2") == 0 && level > PL_SIMD_AVX2 ? PL_SIMD_AVX2 : level;
}

// ---- Shingles -------------------------------------------------------------------------------------

INLINE uint64_t mixed(uint64_t x) {
  x ^= x >> 32;
  x *= 0x9FB21C651E98DF25ull;
  return x ^ (x >> 29);
}

// The j-th multiplier: splitmix64 of j, made odd.
INLINE uint64_t multiplier(size_t j) {
  uint64_t x = (j + 1) * 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return (x ^ (x >> 31)) | 1;
}

INLINE void hash_fives(const uint32_t *restrict s, size_t runs, uint64_t *restrict out) {
  const uint64_t k0 = multiplier(0), k1 = multiplier(1), k2 = multiplier(2), k3 = multiplier(3), k4 = multiplier(4);
  for (size_t i = 0; i < runs; i++)
    out[i] = mixed(s[i] * k0 + s[i + 1] * k1 + s[i + 2] * k2 + s[i + 3] * k3 + s[i + 4] * k4);
}

// Sums one scalar of every run at a time, in blocks that fit in the L1 cache.
INLINE void hash_runs(const uint32_t *restrict s, size_t runs, size_t width, uint64_t *restrict out) {
  enum { block = 1024 };
  for (size_t start = 0; start < runs; start += block) {
    size_t end = runs - start < block ? runs : start + block;
    memset(out + start, 0, (end - start) * sizeof *out);
    for (size_t j = 0; j < width; j++) {
      const uint64_t k = multiplier(j);
      for (size_t i = start; i < end; i++) out[i] += s[i + j] * k;
    }
    for (size_t i = start; i < end; i++) out[i] = mixed(out[i]);
  }
}

INLINE void hash_any(const uint32_t *restrict s, size_t runs, size_t width, uint64_t *restrict out) {
  if (width == 5)
    hash_fives(s, runs, out);
  else
    hash_runs(s, runs, width, out);
}

// ---- Sketches -------------------------------------------------------------------------------------
// Fast similarity sketching (Dahlgaard, Knudsen, Thorup: Fast Similarity Sketching, FOCS 2017). In round r every
// element is assigned to one lane with one value, and a lane keeps the smallest value of the earliest round that
// reached it; from round `lanes` on, round r reaches lane r - lanes with every element. As for MinHash with one
// permutation per lane, lanes agree with probability J, and the variance is no larger, but the work is O(n + t log t)
// instead of O(n t).

INLINE uint64_t rehashed(uint64_t hash, size_t round) {
  uint64_t x = hash + round * 0x9E3779B97F4A7C15ull;
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9ull;
  return x ^ (x >> 32);
}

enum { rehash_block = 256 };

INLINE void rehash(const uint64_t *restrict hashes, size_t count, size_t round, uint64_t *restrict out) {
  for (size_t i = 0; i < count; i++) out[i] = rehashed(hashes[i], round);
}

// Replaces the round number for lanes that are not reached yet.
enum { unreached = UINT16_MAX };

// Round 0: no lane is closed, so the smallest value of each is kept without a branch. A value of all ones means "none",
// hence the bound.
INLINE void first_round(const uint64_t *restrict hashes, size_t count, uint32_t *restrict least, size_t lanes) {
  for (size_t i = 0; i < count; i++) {
    size_t lane = ((hashes[i] >> 32) * lanes) >> 32;
    uint32_t value = (uint32_t)hashes[i], old = least[lane];
    least[lane] = value < old ? value : old;
  }
}

// A later round: few lanes are still open, so nearly every element is skipped.
INLINE size_t later_round(const uint64_t *restrict hashes, size_t count, size_t round, uint32_t *restrict least,
                          uint16_t *restrict reached, size_t lanes) {
  size_t newly = 0;
  for (size_t i = 0; i < count; i++) {
    size_t lane = ((hashes[i] >> 32) * lanes) >> 32;
    if (reached[lane] < round) continue;
    uint32_t value = (uint32_t)hashes[i];
    newly += reached[lane] == unreached;
    reached[lane] = (uint16_t)round;
    least[lane] = value < least[lane] ? value : least[lane];
  }
  return newly;
}

INLINE uint16_t sealed(uint32_t value, size_t round) {
  return (uint16_t)(mixed(value + ((uint64_t)(round + 1) << 32)) >> 40);
}

INLINE void sketch(const uint64_t *hashes, size_t count, uint16_t *out, size_t lanes) {
  uint32_t least[PL_SKETCH_LANES];
  uint16_t reached[PL_SKETCH_LANES];
  uint64_t block[rehash_block];
  memset(least, 0xFF, lanes * sizeof *least);
  first_round(hashes, count, least, lanes);
  size_t open = 0;
  for (size_t b = 0; b < lanes; b++) {
    reached[b] = least[b] == UINT32_MAX ? unreached : 0;
    open += least[b] == UINT32_MAX;
  }
  for (size_t round = 1; open > 0 && round < lanes; round++)
    for (size_t i = 0; i < count; i += rehash_block) {
      size_t n = count - i < rehash_block ? count - i : rehash_block;
      rehash(hashes + i, n, round, block);
      open -= later_round(block, n, round, least, reached, lanes);
    }
  for (size_t b = 0; b < lanes; b++) {
    size_t round = reached[b];
    if (round == unreached) {
      round = lanes + b;
      for (size_t i = 0; i < count; i++) {
        uint32_t value = (uint32_t)rehashed(hashes[i], round);
        least[b] = value < least[b] ? value : least[b];
      }
    }
    out[b] = sealed(least[b], round);
  }
}

// ---- One copy per level ---------------------------------------------------------------------------

#define COPIES(ATTRIBUTE, LEVEL)                                                                             \
  ATTRIBUTE static void hash_##LEVEL(const uint32_t *s, size_t runs, size_t width, uint64_t *out) {          \
    hash_any(s, runs, width, out);                                                                           \
  }                                                                                                          \
  ATTRIBUTE static void sketch_##LEVEL(const uint64_t *hashes, size_t count, uint16_t *out, size_t lanes) {  \
    sketch(hashes, count, out, lanes);                                                                       \
  }

COPIES(, baseline)
#if defined(__x86_64__)
COPIES(AVX2, avx2)
COPIES(AVX512, avx512)
#define DISPATCH(NAME, ...)                         \
  (level == PL_SIMD_AVX512 ? NAME##_avx512(__VA_ARGS__) \
   : level == PL_SIMD_AVX2 ? NAME##_avx2(__VA_ARGS__)   \
                           : NAME##_baseline(__VA_ARGS__))
#else
#define DISPATCH(NAME, ...) NAME##_baseline(__VA_ARGS__)
#endif

size_t pl_shingle_hashes(pl_simd_level level, const uint32_t *scalars, size_t count, size_t width, uint64_t *out) {
  if (count < width || width == 0) {
    uint64_t sum = count;
    for (size_t j = 0; j < count; j++) sum += scalars[j] * multiplier(j + 1);
    out[0] = mixed(sum * multiplier(0));
    return 1;
  }
  size_t runs = count - width + 1;
  DISPATCH(hash, scalars, runs, width, out);
  return runs;
}

void pl_sketch(pl_simd_level level, const uint64_t *hashes, size_t count, uint16_t *lanes, size_t lane_count) {
  if (count == 0 || lane_count > PL_SKETCH_LANES) {
    memset(lanes, 0, lane_count * sizeof *lanes);
    return;
  }
  DISPATCH(sketch, hashes, count, lanes, lane_count);
}

size_t pl_lanes_agreeing(const uint16_t *a, const uint16_t *b, size_t lane_count) {
  size_t agreeing = 0;
  for (size_t i = 0; i < lane_count; i++) agreeing += a[i] == b[i];
  return agreeing;
}

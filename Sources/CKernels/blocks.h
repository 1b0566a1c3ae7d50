// Blocks of 64 bytes, and tests of their bytes as bits. The compiler makes of a block what the level has: one register,
// two or four.
#ifndef CKERNELS_BLOCKS_H
#define CKERNELS_BLOCKS_H
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define AVX512 __attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")))
#define DISPATCH(NAME, ...)                             \
  (level == PL_SIMD_AVX512 ? NAME##_avx512(__VA_ARGS__) \
   : level == PL_SIMD_AVX2 ? NAME##_avx2(__VA_ARGS__)   \
                           : NAME##_baseline(__VA_ARGS__))
#else
#define DISPATCH(NAME, ...) ((void)level, NAME##_baseline(__VA_ARGS__))
#endif

enum { width = 64 };
typedef uint8_t block __attribute__((vector_size(width)));
typedef _Bool bits __attribute__((ext_vector_type(width)));

#define LOAD(NAME, FROM) \
  block NAME;            \
  memcpy(&NAME, FROM, width)
#define WITHIN(BYTES, LOW, HIGH) ((BYTES) - (uint8_t)(LOW) <= (uint8_t)((HIGH) - (LOW)))
#define BITS(TEST)                                     \
  ({                                                   \
    bits made = __builtin_convertvector(TEST, bits);   \
    uint64_t word;                                     \
    memcpy(&word, &made, sizeof word);                 \
    word;                                              \
  })
#define ONES(WORD) ((size_t)__builtin_popcountll(WORD))

// The bits of what comes before `end` in the 64 at `at`.
INLINE uint64_t inside(size_t at, size_t end) { return end - at >= width ? ~0ull : ~(~0ull << (end - at)); }

// The longest run of ones in a word, if it is longer than `least`, else `least`.
INLINE size_t longest_in_word(uint64_t ones, size_t least) {
  if (least >= width) return least;
  size_t done = 1;
  // Afterwards a bit says that it begins a run of `done` ones.
  while (ones && done <= least) {
    size_t step = least + 1 - done < done ? least + 1 - done : done;
    ones &= ones >> step;
    done += step;
  }
  while (ones) {
    least = done++;
    ones &= ones >> 1;
  }
  return least;
}

// The longest run of ones over the words taken in so far, and the run that is not over.
typedef struct {
  size_t longest, open;
} runs;

INLINE void take_in(runs *r, uint64_t ones) {
  if (ones == ~0ull) {
    r->open += width;
    return;
  }
  size_t ended = r->open + (size_t)__builtin_ctzll(~ones);
  r->longest = longest_in_word(ones, ended > r->longest ? ended : r->longest);
  r->open = (size_t)__builtin_clzll(~ones);
}

INLINE size_t longest_run(const runs *r) { return r->open > r->longest ? r->open : r->longest; }

#endif

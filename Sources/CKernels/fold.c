// Folding text for comparison, by table.
#include "CKernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define VBMI __attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2")))
#endif
#define INLINE static inline __attribute__((always_inline))

INLINE int continues(uint8_t byte) { return (byte & 0xC0) == 0x80; }

// The scalar at `p` if it is well-formed and below U+10000 (surrogates are left to the table). Its length is stored in
// `*step`; 0 if it is not.
INLINE uint32_t basic_scalar(const uint8_t *p, size_t left, size_t *step) {
  uint8_t lead = p[0];
  *step = 0;
  if (lead < 0x80) {
    *step = 1;
    return lead;
  }
  if ((lead & 0xF0) == 0xE0 && left >= 3 && continues(p[1]) && continues(p[2])) {
    uint32_t scalar = (uint32_t)(lead & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    *step = scalar < 0x800 ? 0 : 3;
    return scalar;
  }
  if (lead >= 0xC2 && lead < 0xE0 && left >= 2 && continues(p[1])) {
    *step = 2;
    return (uint32_t)(lead & 0x1F) << 6 | (p[1] & 0x3F);
  }
  return 0;
}

#if defined(__x86_64__)
// ---- AVX2 -----------------------------------------------------------------------------------------

enum { wide_bytes = 28 };

// Folds as many of the next eight scalars as are three bytes long and become one scalar other than a space, the usual
// case in Japanese text. Reads `wide_bytes`, writes eight scalars, and returns how many of them count.
AVX2 static inline size_t fold_eight(const uint8_t *utf8, const uint16_t *table, uint32_t *out) {
  // The three bytes of a scalar, first byte highest, in 32 bits.
  const __m256i places = _mm256_setr_epi8(2, 1, 0, -1, 5, 4, 3, -1, 8, 7, 6, -1, 11, 10, 9, -1,  //
                                          2, 1, 0, -1, 5, 4, 3, -1, 8, 7, 6, -1, 11, 10, 9, -1);
  __m128i low = _mm_loadu_si128((const __m128i *)utf8), high = _mm_loadu_si128((const __m128i *)(utf8 + 12));
  __m256i bytes = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), places);
  __m256i scalars = _mm256_or_si256(
      _mm256_and_si256(_mm256_srli_epi32(bytes, 4), _mm256_set1_epi32(0xF000)),
      _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi32(bytes, 2), _mm256_set1_epi32(0x0FC0)),
                      _mm256_and_si256(bytes, _mm256_set1_epi32(0x003F))));
  __m256i formed = _mm256_and_si256(
      _mm256_cmpeq_epi32(_mm256_and_si256(bytes, _mm256_set1_epi32(0xF0C0C0)), _mm256_set1_epi32(0xE08080)),
      _mm256_cmpgt_epi32(scalars, _mm256_set1_epi32(0x7FF)));
  __m256i folded = _mm256_and_si256(_mm256_i32gather_epi32((const int *)table, scalars, 2), _mm256_set1_epi32(0xFFFF));
  // Neither PL_FOLD_DROP nor PL_FOLD_SLOW nor a space: between 0x21 and 0xFFFE.
  __m256i plain = _mm256_and_si256(_mm256_cmpgt_epi32(folded, _mm256_set1_epi32(' ')),
                                   _mm256_cmpgt_epi32(_mm256_set1_epi32(PL_FOLD_SLOW), folded));
  _mm256_storeu_si256((__m256i *)out, folded);
  unsigned good = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_and_si256(formed, plain)));
  return (size_t)__builtin_ctz(~good);
}

// ---- AVX-512 with moves of bytes ------------------------------------------------------------------

enum { window_bytes = 64, window_scalars = 16 };

typedef struct {
  __m512i scalars;
  // Which of them are well-formed and below U+10000.
  __mmask16 formed;
} window_text;

// The sixteen scalars that begin at the first places of `leads`: the bytes of a window that continue no scalar.
VBMI static inline window_text scalars_of(__m512i window, uint64_t leads) {
  const __m512i places = _mm512_set_epi8(
      63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35,
      34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5,
      4, 3, 2, 1, 0);
  // Zeros where there are no more, which are the end of no scalar.
  __m512i begins = _mm512_maskz_compress_epi8(leads, places);
  __m128i first = _mm512_castsi512_si128(begins), second = _mm512_extracti32x4_epi32(begins, 1);
  __m512i begin = _mm512_cvtepu8_epi32(first), end = _mm512_cvtepu8_epi32(_mm_alignr_epi8(second, first, 1));
  // Three bytes from each place, the first one highest.
  __m512i spread = _mm512_add_epi32(_mm512_mullo_epi16(begin, _mm512_set1_epi32(0x0101)), _mm512_slli_epi32(begin, 16));
  __m512i bytes = _mm512_and_si512(
      _mm512_permutexvar_epi8(_mm512_add_epi32(spread, _mm512_set1_epi32(0x000102)), window),
      _mm512_set1_epi32(0xFFFFFF));
  __mmask16 one = _mm512_cmplt_epu32_mask(bytes, _mm512_set1_epi32(0x800000));
  __mmask16 three = _mm512_cmpge_epu32_mask(bytes, _mm512_set1_epi32(0xE00000));
  __m512i threes = _mm512_or_si512(
      _mm512_and_si512(_mm512_srli_epi32(bytes, 4), _mm512_set1_epi32(0xF000)),
      _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(bytes, 2), _mm512_set1_epi32(0xFC0)),
                      _mm512_and_si512(bytes, _mm512_set1_epi32(0x3F))));
  __m512i twos = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(bytes, 10), _mm512_set1_epi32(0x7C0)),
                                 _mm512_and_si512(_mm512_srli_epi32(bytes, 8), _mm512_set1_epi32(0x3F)));
  __m512i scalars = _mm512_mask_mov_epi32(_mm512_mask_srli_epi32(twos, one, bytes, 16), three, threes);
  __m512i lengths = _mm512_mask_mov_epi32(_mm512_mask_mov_epi32(_mm512_set1_epi32(2), one, _mm512_set1_epi32(1)), three,
                                          _mm512_set1_epi32(3));
  __m512i least = _mm512_mask_mov_epi32(_mm512_maskz_mov_epi32((__mmask16)~one, _mm512_set1_epi32(0x80)), three,
                                        _mm512_set1_epi32(0x800));
  __mmask16 formed = _mm512_cmpeq_epi32_mask(_mm512_sub_epi32(end, begin), lengths) &
                     _mm512_cmplt_epu32_mask(bytes, _mm512_set1_epi32(0xF00000)) &
                     _mm512_cmpge_epu32_mask(scalars, least);
  return (window_text){scalars, formed};
}

// One load after another is faster than an instruction that gathers, on processors that have both.
VBMI static inline __m512i looked_up(const uint16_t *table, __m512i scalars) {
  uint32_t from[window_scalars] __attribute__((aligned(64))), to[window_scalars] __attribute__((aligned(64)));
  _mm512_store_si512(from, scalars);
#pragma clang loop vectorize(disable) unroll(full)
  for (int i = 0; i < window_scalars; i++) to[i] = table[from[i]];
  return _mm512_load_si512(to);
}

VBMI static inline size_t place(uint64_t bits, unsigned number) {
  return (size_t)_tzcnt_u64(_pdep_u64(1ull << number, bits));
}

// Folds the scalars that begin in the next 64 bytes, the first of which begins one: at most sixteen, up to the first that
// is malformed, has four bytes or needs the slow path. `*space` tells whether the last scalar kept is a space, or there is
// none. Writes sixteen scalars, of which `*kept` count, and returns the bytes read.
VBMI static inline size_t fold_window(const uint8_t *utf8, const uint16_t *table, uint32_t *out, size_t *kept,
                                      unsigned *space) {
  __m512i window = _mm512_loadu_si512(utf8);
  uint64_t leads = _mm512_cmpgt_epi8_mask(window, _mm512_set1_epi8((char)0xBF));
  window_text text = scalars_of(window, leads);
  __m512i folded = looked_up(table, text.scalars);
  __mmask16 formed = text.formed & _mm512_cmpneq_epu32_mask(folded, _mm512_set1_epi32(PL_FOLD_SLOW));
  __mmask16 wanted = _mm512_cmpneq_epu32_mask(folded, _mm512_set1_epi32(PL_FOLD_DROP));
  // Where the next window begins does not wait for the table in the usual case.
  size_t read = place(leads, window_scalars);
  if (__builtin_expect(formed != 0xFFFF, 0)) {
    unsigned good = (unsigned)__builtin_ctz(~(unsigned)formed);
    wanted &= (__mmask16)((1u << good) - 1);
    read = place(leads, good);
  }
  // Without the dropped ones, and without spaces behind a space.
  __m512i dense = _mm512_maskz_compress_epi32(wanted, folded);
  unsigned count = (unsigned)__builtin_popcount(wanted);
  unsigned spaces = _mm512_cmpeq_epi32_mask(dense, _mm512_set1_epi32(' '));
  unsigned repeated = spaces & (spaces << 1 | *space);
  *space = count ? spaces >> (count - 1) & 1 : *space;
  if (__builtin_expect(repeated != 0, 0)) {
    unsigned rest = ((1u << count) - 1) & ~repeated;
    dense = _mm512_maskz_compress_epi32((__mmask16)rest, dense);
    count = (unsigned)__builtin_popcount(rest);
  }
  _mm512_storeu_si512(out, dense);
  *kept = count;
  return read;
}
#endif

// ---- Whole texts ----------------------------------------------------------------------------------

INLINE size_t fold(int wide, const uint8_t *restrict utf8, size_t length, const uint16_t *restrict table,
                   uint32_t *restrict out, size_t count, size_t *restrict consumed) {
  size_t i = 0, o = count;
  uint32_t last = o ? out[o - 1] : ' ';
  while (i < length) {
#if defined(__x86_64__)
    if (wide && utf8[i] >= 0xE0 && length - i >= wide_bytes) {
      size_t folded = fold_eight(utf8 + i, table, out + o);
      i += 3 * folded;
      o += folded;
      last = folded ? out[o - 1] : last;
      if (folded == 8) continue;
    }
#endif
    size_t step;
    uint32_t scalar = basic_scalar(utf8 + i, length - i, &step);
    uint16_t folded = table[scalar];
    if (step == 0 || folded == PL_FOLD_SLOW) break;
    out[o] = folded;
    int kept = folded != PL_FOLD_DROP && !(folded == ' ' && last == ' ');
    o += (size_t)kept;
    last = kept ? folded : last;
    i += step;
  }
  *consumed = i;
  return o;
}

static size_t fold_baseline(const uint8_t *utf8, size_t length, const uint16_t *table, uint32_t *out, size_t count,
                            size_t *consumed) {
  return fold(0, utf8, length, table, out, count, consumed);
}

#if defined(__x86_64__)
AVX2 static size_t fold_avx2(const uint8_t *utf8, size_t length, const uint16_t *table, uint32_t *out, size_t count,
                             size_t *consumed) {
  return fold(1, utf8, length, table, out, count, consumed);
}

VBMI static size_t fold_vbmi(const uint8_t *utf8, size_t length, const uint16_t *table, uint32_t *out, size_t count,
                             size_t *consumed) {
  size_t i = 0, o = count, read = length > 0 && !continues(utf8[0]), kept, rest;
  unsigned space = o == 0 || out[o - 1] == ' ';
  while (read > 0 && length - i >= window_bytes) {
    read = fold_window(utf8 + i, table, out + o, &kept, &space);
    i += read;
    o += kept;
  }
  o = fold(0, utf8 + i, length - i, table, out, o, &rest);
  *consumed = i + rest;
  return o;
}

static int has_vbmi(void) { return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2"); }
#endif

size_t pl_fold(pl_simd_level level, const uint8_t *utf8, size_t length, const uint16_t *table, uint32_t *out,
               size_t count, size_t *consumed) {
#if defined(__x86_64__)
  if (level == PL_SIMD_AVX512 && has_vbmi()) return fold_vbmi(utf8, length, table, out, count, consumed);
  if (level != PL_SIMD_BASELINE) return fold_avx2(utf8, length, table, out, count, consumed);
#endif
  return fold_baseline(utf8, length, table, out, count, consumed);
}

// ---- Counting -------------------------------------------------------------------------------------

typedef int8_t bytes16 __attribute__((vector_size(16)));

size_t pl_scalars(const uint8_t *utf8, size_t length) {
  size_t count = 0, i = 0;
  // At most 127 in each byte of a sum.
  while (length - i >= sizeof(bytes16)) {
    size_t blocks = (length - i) / sizeof(bytes16);
    bytes16 sums = {0};
    for (size_t left = blocks < 127 ? blocks : 127; left > 0; left--, i += sizeof(bytes16)) {
      bytes16 bytes;
      memcpy(&bytes, utf8 + i, sizeof bytes);
      sums -= (bytes16)(bytes > (int8_t)0xBF);
    }
    for (size_t lane = 0; lane < sizeof(bytes16); lane++) count += (size_t)sums[lane];
  }
  for (; i < length; i++) count += !continues(utf8[i]);
  return count;
}

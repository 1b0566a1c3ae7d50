#include "census.h"

#include "blocks.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// ---- Decoding -------------------------------------------------------------------------------------

// Whether a well-formed scalar of three bytes begins at `p`.
INLINE int three_bytes(const uint8_t *p, size_t left, uint32_t *scalar) {
  if ((p[0] & 0xF0) != 0xE0 || left < 3) return 0;
  uint32_t b = p[1] ^ 0x80, c = p[2] ^ 0x80;
  *scalar = (uint32_t)(p[0] & 0x0F) << 12 | b << 6 | c;
  return (b | c) < 0x40 && *scalar >= 0x800 && *scalar - 0xD800 >= 0x800;
}

INLINE int two_bytes(const uint8_t *p, size_t left, uint32_t *scalar) {
  if (p[0] < 0xC2 || p[0] >= 0xE0 || left < 2) return 0;
  *scalar = (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
  return (p[1] & 0xC0) == 0x80;
}

#if defined(__x86_64__)
enum { block_bytes = width + 2 };

// Decodes the scalars that begin in the next 64 bytes, up to the first that is malformed or above U+FFFF: each byte is
// taken for the first of a scalar, and what is made of the others is left out. Reads `block_bytes`; may write 15 scalars
// too many.
AVX512 static inline size_t decode_block(const uint8_t *utf8, uint32_t *out, size_t *consumed) {
  LOAD(a, utf8);
  LOAD(b, utf8 + 1);
  LOAD(c, utf8 + 2);
  uint64_t one = BITS(a < 0x80), two = BITS(WITHIN(a, 0xC2, 0xDF) & WITHIN(b, 0x80, 0xBF));
  uint64_t three = BITS(WITHIN(a, 0xE0, 0xEF) & WITHIN(b, 0x80, 0xBF) & WITHIN(c, 0x80, 0xBF) &
                        ~((a == 0xE0) & (b < 0xA0)) & ~((a == 0xED) & (b >= 0xA0)));
  uint64_t starts = one | two | three, owed = (two | three) << 1 | three << 2;
  uint64_t odd = ~(starts | (owed & BITS(WITHIN(a, 0x80, 0xBF))));
  *consumed = odd ? (size_t)__builtin_ctzll(odd) : width + (three >> 63) + ((two | three) >> 63 | (three >> 62 & 1));
  if (odd) starts &= (odd & -odd) - 1;
  const __m512i low = _mm512_set1_epi32(0x3F);
  uint32_t *first = out;
  for (int part = 0; part < width; part += 16) {
    __mmask16 chosen = (__mmask16)(starts >> part);
    __m512i x = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(utf8 + part)));
    __m512i y = _mm512_and_si512(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(utf8 + part + 1))), low);
    __m512i z = _mm512_and_si512(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(utf8 + part + 2))), low);
    __m512i xy = _mm512_or_si512(_mm512_slli_epi32(_mm512_and_si512(x, _mm512_set1_epi32(0x1F)), 6), y);
    __m512i xyz = _mm512_or_si512(_mm512_slli_epi32(_mm512_and_si512(xy, _mm512_set1_epi32(0x3FF)), 6), z);
    x = _mm512_mask_mov_epi32(x, (__mmask16)(two >> part), xy);
    x = _mm512_mask_mov_epi32(x, (__mmask16)(three >> part), xyz);
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(chosen, x));
    out += __builtin_popcount(chosen);
  }
  return (size_t)(out - first);
}
#endif

typedef size_t decoder(const uint8_t *utf8, uint32_t *out, size_t *consumed);

// The loop of every level. `fast` decodes what it can of at least `least` bytes; if it reads fewer than 64, the next
// scalar is looked at alone.
INLINE size_t decode(size_t least, decoder *fast, const uint8_t *utf8, size_t length, const uint8_t *classes,
                     uint32_t *out, uint8_t *out_classes, size_t *consumed) {
  size_t i = 0, n = 0;
  while (i < length) {
    if (length - i >= least) {
      size_t taken = 0;
      n += fast(utf8 + i, out + n, &taken);
      i += taken;
      if (taken >= width) continue;
    }
    uint32_t a = utf8[i];
    if (a < 0x80) {
      out[n++] = a;
      i += 1;
    } else if (three_bytes(utf8 + i, length - i, out + n)) {
      n++;
      i += 3;
    } else if (two_bytes(utf8 + i, length - i, out + n)) {
      n++;
      i += 2;
    } else {
      break;
    }
  }
  for (size_t k = 0; k < n; k++) out_classes[k] = classes[out[k]];
  *consumed = i;
  return n;
}

// ---- Counting -------------------------------------------------------------------------------------

typedef uint32_t sixteen __attribute__((vector_size(width)));
typedef _Bool bits16 __attribute__((ext_vector_type(16)));
#define BITS16(TEST)                                     \
  ({                                                     \
    bits16 made = __builtin_convertvector(TEST, bits16); \
    uint16_t word;                                       \
    memcpy(&word, &made, sizeof word);                   \
    (uint64_t)word;                                      \
  })

// `scalars` and `classes` have 64 elements, of which `valid` count, and there is a scalar before them.
INLINE void count_block(const uint32_t *scalars, const uint8_t *classes, uint64_t valid, pl_character_counts *counts,
                        uint64_t *equal) {
  LOAD(c, classes);
  counts->hiragana += ONES(BITS((c & PL_HIRAGANA) != 0) & valid);
  counts->katakana += ONES(BITS((c & 3) == PL_KATAKANA) & valid);
  counts->kanji += ONES(BITS((c & 7) == PL_KANJI) & valid);
  counts->punctuation += ONES(BITS((c & 15) == PL_PUNCTUATION) & valid);
  counts->special += ONES(BITS((c & PL_WORD) == 0) & valid);
  uint64_t stops = 0, spaces = 0, same = 0;
  for (int part = 0; part < width; part += 16) {
    sixteen s, previous;
    memcpy(&s, scalars + part, sizeof s);
    memcpy(&previous, scalars + part - 1, sizeof s);
    stops |= BITS16((s == 0x3002) | (s == 0xFF61)) << part;
    spaces |= BITS16((s == 0x20) | (s == 0x0A) | (s == 0x09) | (s == 0x3000)) << part;
    same |= BITS16(s == previous) << part;
  }
  counts->stops += ONES(stops & valid);
  counts->spaces += ONES(spaces & valid);
  *equal = same & valid;
}

INLINE pl_character_counts count_characters(const uint32_t *scalars, const uint8_t *classes, size_t count) {
  pl_character_counts counts = {0};
  runs equal = {0};
  for (size_t at = 0; at < count; at += width) {
    uint64_t same, valid = inside(at, count);
    if (at > 0 && count - at >= width) {
      count_block(scalars + at, classes + at, valid, &counts, &same);
    } else {
      // No scalar equals what is before the first.
      uint32_t some[1 + width] = {at > 0 ? scalars[at - 1] : UINT32_MAX};
      uint8_t kinds[width] = {0};
      size_t left = count - at < width ? count - at : width;
      memcpy(some + 1, scalars + at, left * sizeof *some);
      memcpy(kinds, classes + at, left);
      count_block(some + 1, kinds, valid, &counts, &same);
    }
    take_in(&equal, same);
  }
  counts.longest_run = count > 0 ? longest_run(&equal) + 1 : 0;
  return counts;
}

// ---- One copy per level ---------------------------------------------------------------------------

#define COPIES(ATTRIBUTE, LEVEL, LEAST, FAST)                                                                                      \
  ATTRIBUTE static size_t decode_##LEVEL(const uint8_t *utf8, size_t length, const uint8_t *classes,               \
                                         uint32_t *out, uint8_t *out_classes, size_t *consumed) {                   \
    return decode(LEAST, FAST, utf8, length, classes, out, out_classes, consumed);                                         \
  }                                                                                                                 \
  ATTRIBUTE static pl_character_counts characters_##LEVEL(const uint32_t *scalars, const uint8_t *classes,         \
                                                          size_t count) {                                           \
    return count_characters(scalars, classes, count);                                                               \
  }

COPIES(, baseline, SIZE_MAX, NULL)
#if defined(__x86_64__)
COPIES(AVX2, avx2, SIZE_MAX, NULL)
COPIES(AVX512, avx512, block_bytes, decode_block)
#endif

size_t pl_decode_utf8(pl_simd_level level, const uint8_t *utf8, size_t length, const uint8_t *classes, uint32_t *out,
                 uint8_t *out_classes, size_t *consumed) {
  return DISPATCH(decode, utf8, length, classes, out, out_classes, consumed);
}

pl_character_counts pl_count_characters(pl_simd_level level, const uint32_t *scalars, const uint8_t *classes,
                                        size_t count) {
  return DISPATCH(characters, scalars, classes, count);
}

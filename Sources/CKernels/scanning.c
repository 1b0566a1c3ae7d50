#include "scanning.h"

#include "blocks.h"

// What a search reads around a block.
enum { before = 1, after = 2 };

// Where a block of the text can be read, with a byte before it and two after it: in the text, or near its ends in a copy
// with zeros around it.
INLINE const uint8_t *readable(const uint8_t *text, size_t at, size_t end, uint8_t *copy) {
  if (at >= before && end - at >= width + after) return text + at;
  size_t first = at < before ? 0 : at - before, last = end - at < width + after ? end : at + width + after;
  memset(copy, 0, before + width + after);
  memcpy(copy + before - (at - first), text + first, last - first);
  return copy + before;
}

// ---- Searches -------------------------------------------------------------------------------------

typedef enum { UNSETTLED, UNCLEAN, ADDRESS, MARKUP } target_kind;

// Scalars that do not stay as they are for certain. `*open`: bits of continuation bytes that the block before is owed.
INLINE uint64_t unsettled(const uint8_t *p, uint64_t *open) {
  LOAD(a, p);
  LOAD(b, p + 1);
  LOAD(c, p + 2);
  uint64_t formed = BITS(WITHIN(a, 0xE3, 0xE9) & WITHIN(b, 0x80, 0xBF) & WITHIN(c, 0x80, 0xBF));
  uint64_t kana = BITS((b == 0x81) | ((b == 0x82) & ~WITHIN(c, 0x99, 0x9F)) | ((b == 0x83) & (c != 0xBF)) |
                       ((b == 0x80) & WITHIN(c, 0x81, 0xA9)));
  uint64_t calm = formed & (kana | ~BITS(a == 0xE3));
  uint64_t continued = calm << 1 | calm << 2 | *open;
  *open = calm >> 63 | calm >> 62;
  return ~(BITS(a < 0x80) | calm | (continued & BITS(WITHIN(a, 0x80, 0xBF))));
}

INLINE uint64_t unclean(const uint8_t *p, int numbers) {
  LOAD(z, p - 1);
  LOAD(a, p);
  LOAD(b, p + 1);
  LOAD(c, p + 2);
  uint64_t lone = BITS((a == 0x20) & (z > 0x20) & (WITHIN(b, 0x21, 0x7F) | WITHIN(b, 0xE4, 0xEC)));
  uint64_t ascii = BITS((a <= 0x20) | (a == 0x7F) | (a == ')'));
  uint64_t rare = BITS((a == 0xC2) | (a == 0xE1) | ((a == 0xE2) & WITHIN(b, 0x80, 0x81)) | (a >= 0xEF));
  uint64_t marks = BITS((a == 0xE3) & (b == 0x80));
  if (marks)
    marks &= BITS((c == 0x80) | (WITHIN(c, 0x89, 0x97) & ((c & 1) == 1)) |
                  ((c == 0x81) & ((z == 0x28) | (z == 0x88) | (z == 0x81))));
  uint64_t digits = numbers ? BITS(WITHIN(a, '0', '9') | (a == '+')) : 0;
  return (ascii & ~lone) | rare | marks | digits;
}

INLINE uint64_t address(const uint8_t *p) {
  LOAD(a, p);
  LOAD(b, p + 1);
  uint64_t narrow = BITS(((a == ':') & ((b == '/') | (b == 0xEF))) | ((a == 'w') & (b == 'w')) | (a == '@'));
  uint64_t wide = BITS((a == 0xEF) & WITHIN(b, 0xBC, 0xBD));
  if (!wide) return narrow;
  LOAD(c, p + 2);
  return narrow | BITS((a == 0xEF) & (((b == 0xBC) & ((c == 0x9A) | (c == 0xA0))) | ((b == 0xBD) & (c == 0x97))));
}

INLINE uint64_t markup(const uint8_t *p) {
  LOAD(a, p);
  LOAD(b, p + 1);
  LOAD(c, p + 2);
  return BITS((a == '<') | (a == '&') | ((a < 0x20) & (a != '\n') & (a != '\t')) |
              ((a == ']') & (b == ']') & (c == '>')) | ((a == 0xEF) & (b == 0xBF) & (c >= 0xBE)));
}

INLINE uint64_t targets(target_kind kind, const uint8_t *text, size_t at, size_t end, int numbers, uint64_t *open) {
  uint8_t copy[before + width + after];
  const uint8_t *p = readable(text, at, end, copy);
  switch (kind) {
    case UNSETTLED: return unsettled(p, open);
    case UNCLEAN: return unclean(p, numbers);
    case ADDRESS: return address(p);
    case MARKUP: return markup(p);
  }
}

INLINE size_t find(target_kind kind, const uint8_t *text, size_t start, size_t end, int numbers, pl_scan *scan) {
  size_t at = scan->block;
  uint64_t found, open = scan->open;
  if (start >= end) return end;
  if (start - at < scan->length) {
    found = scan->found & ~0ull << (start - at);
  } else {
    at = start;
    open = 0;
    found = targets(kind, text, at, end, numbers, &open);
  }
  while (!found && end - at > width) {
    at += width;
    found = targets(kind, text, at, end, numbers, &open);
  }
  *scan = (pl_scan){at, width, found, open};
  if (!found) return end;
  at += (size_t)__builtin_ctzll(found);
  return at < end ? at : end;
}

// ---- Counts ---------------------------------------------------------------------------------------

INLINE size_t lines(const uint8_t *text, size_t length) {
  uint8_t copy[before + width + after];
  size_t count = 0;
  for (size_t at = 0; at < length; at += width) {
    LOAD(a, readable(text, at, length, copy));
    count += ONES(BITS(a == '\n') & inside(at, length));
  }
  return count;
}

INLINE void mojibake(const uint8_t *text, size_t length, size_t *characters, size_t *signs) {
  uint8_t copy[before + width + after];
  size_t all = 0, odd = 0;
  for (size_t at = 0; at < length; at += width) {
    const uint8_t *p = readable(text, at, length, copy);
    LOAD(a, p);
    all += ONES(BITS(~WITHIN(a, 0x80, 0xBF)) & inside(at, length));
    uint64_t leads = BITS((a == 0xE7) | (a == 0xEF));
    if (!leads) continue;
    LOAD(b, p + 1);
    LOAD(c, p + 2);
    uint64_t found = BITS(((a == 0xEF) & (b == 0xBF) & (c == 0xBD)) | ((a == 0xE7) & (b == 0xB8) & (c == 0xBA)) |
                          ((a == 0xE7) & (b == 0xB9) & ((c == 0xA7) | (c == 0x9D))));
    odd += ONES(found);
  }
  *characters = all;
  *signs = odd;
}

INLINE size_t scripts(const uint8_t *text, size_t start, size_t stop, size_t end, pl_script_counts *counts,
                      uint16_t *rest) {
  uint8_t copy[before + width + after];
  size_t written = 0;
  for (size_t at = start; at < stop; at += width) {
    const uint8_t *p = readable(text, at, end, copy);
    LOAD(a, p);
    LOAD(b, p + 1);
    LOAD(c, p + 2);
    uint64_t valid = inside(at, stop);
    uint64_t latin = BITS(WITHIN(a | 0x20, 'a', 'z')) & valid;
    uint64_t e3 = BITS(a == 0xE3) & valid;
    uint64_t kana = e3 & BITS(((b == 0x81) & (c != 0x80)) | ((b == 0x82) & ~WITHIN(c, 0x97, 0xA0)) |
                              ((b == 0x83) & ~WITHIN(c, 0xBB, 0xBB)));
    uint64_t marks = e3 & BITS((b == 0x80) & (WITHIN(c, 0x81, 0x82) | WITHIN(c, 0x88, 0x91)));
    // Without the blocks of U+4DC0 and U+9FC0, which have other characters.
    uint64_t kanji = BITS(WITHIN(a, 0xE5, 0xE8) | ((a == 0xE4) & (b != 0xB7)) | ((a == 0xE9) & (b != 0xBF))) & valid;
    uint64_t others = BITS(a >= 0xC0) & valid & ~(kana | kanji | marks);
    counts->kana += ONES(kana);
    counts->kanji += ONES(kanji);
    counts->letters += ONES(latin | kana | kanji);
    for (; others; others &= others - 1) rest[written++] = (uint16_t)(at - start + (size_t)__builtin_ctzll(others));
  }
  return written;
}

// ---- One copy per level ---------------------------------------------------------------------------

#define COPIES(ATTRIBUTE, LEVEL)                                                                                   \
  ATTRIBUTE static size_t unsettled_##LEVEL(const uint8_t *text, size_t start, size_t end, pl_scan *scan) {       \
    return find(UNSETTLED, text, start, end, 0, scan);                                                             \
  }                                                                                                                \
  ATTRIBUTE static size_t unclean_##LEVEL(const uint8_t *text, size_t start, size_t end, int numbers,             \
                                          pl_scan *scan) {                                                         \
    return numbers ? find(UNCLEAN, text, start, end, 1, scan) : find(UNCLEAN, text, start, end, 0, scan);          \
  }                                                                                                                \
  ATTRIBUTE static size_t address_##LEVEL(const uint8_t *text, size_t start, size_t end, pl_scan *scan) {         \
    return find(ADDRESS, text, start, end, 0, scan);                                                               \
  }                                                                                                                \
  ATTRIBUTE static size_t markup_##LEVEL(const uint8_t *text, size_t start, size_t end, pl_scan *scan) {          \
    return find(MARKUP, text, start, end, 0, scan);                                                                \
  }                                                                                                                \
  ATTRIBUTE static size_t lines_##LEVEL(const uint8_t *text, size_t length) { return lines(text, length); }        \
  ATTRIBUTE static void mojibake_##LEVEL(const uint8_t *text, size_t length, size_t *characters, size_t *signs) { \
    mojibake(text, length, characters, signs);                                                                     \
  }                                                                                                                \
  ATTRIBUTE static size_t scripts_##LEVEL(const uint8_t *text, size_t start, size_t stop, size_t end,             \
                                          pl_script_counts *counts, uint16_t *rest) {                              \
    return scripts(text, start, stop, end, counts, rest);                                                          \
  }

COPIES(, baseline)
#if defined(__x86_64__)
COPIES(AVX2, avx2)
COPIES(AVX512, avx512)
#endif

size_t pl_find_unsettled(pl_simd_level level, const uint8_t *text, size_t start, size_t end, pl_scan *scan) {
  return DISPATCH(unsettled, text, start, end, scan);
}

size_t pl_find_unclean(pl_simd_level level, const uint8_t *text, size_t start, size_t end, int numbers,
                       pl_scan *scan) {
  return DISPATCH(unclean, text, start, end, numbers, scan);
}

size_t pl_find_address(pl_simd_level level, const uint8_t *text, size_t start, size_t end, pl_scan *scan) {
  return DISPATCH(address, text, start, end, scan);
}

size_t pl_find_markup(pl_simd_level level, const uint8_t *text, size_t start, size_t end, pl_scan *scan) {
  return DISPATCH(markup, text, start, end, scan);
}

size_t pl_count_lines(pl_simd_level level, const uint8_t *text, size_t length) { return DISPATCH(lines, text, length); }

void pl_count_mojibake(pl_simd_level level, const uint8_t *text, size_t length, size_t *characters, size_t *signs) {
  DISPATCH(mojibake, text, length, characters, signs);
}

size_t pl_count_scripts(pl_simd_level level, const uint8_t *text, size_t start, size_t stop, size_t end,
                        pl_script_counts *counts, uint16_t *rest) {
  return DISPATCH(scripts, text, start, stop, end, counts, rest);
}

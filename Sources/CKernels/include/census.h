// Kernels of a text's measures: its scalars, and counts of their classes.
// All instruction-set levels give identical results.
#ifndef CKERNELS_CENSUS_H
#define CKERNELS_CENSUS_H
#include <stddef.h>
#include <stdint.h>

#include "minhash.h"

/// Decodes UTF-8 until its end or the first scalar that is malformed or above U+FFFF. `classes` has a class for each
/// scalar below U+10000. `out` and `out_classes` have room for `length + 16`. Returns the number of scalars; `*consumed`
/// is set to the bytes read.
size_t pl_decode_utf8(pl_simd_level level, const uint8_t *_Nonnull utf8, size_t length, const uint8_t *_Nonnull classes,
                 uint32_t *_Nonnull out, uint8_t *_Nonnull out_classes, size_t *_Nonnull consumed);

/// Bits of a class, as `ScriptClass` has them; of the first four, the lowest counts.
enum { PL_HIRAGANA = 1, PL_KATAKANA = 2, PL_KANJI = 4, PL_PUNCTUATION = 8, PL_WORD = 16 };

typedef struct {
  size_t hiragana, katakana, kanji, punctuation;
  size_t special;      // without PL_WORD
  size_t stops;        // 。 and ｡
  size_t spaces;       // LF, spaces and tabs, the ideographic space
  size_t longest_run;  // of one scalar
} pl_character_counts;

pl_character_counts pl_count_characters(pl_simd_level level, const uint32_t *_Nonnull scalars,
                                        const uint8_t *_Nonnull classes, size_t count);

#endif

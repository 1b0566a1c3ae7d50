// Kernels that read UTF-8 64 bytes at a time and stop, or count, at the few characters that matter.
// All instruction-set levels give identical results.
#ifndef CKERNELS_SCANNING_H
#define CKERNELS_SCANNING_H
#include <stddef.h>
#include <stdint.h>

#include "minhash.h"

/// What a search has found in the 64 bytes that it read last. All zeros before the first search in a text; the places
/// asked for ascend.
typedef struct {
  size_t block;
  size_t length;
  uint64_t found;
  uint64_t open;
} pl_scan;

/// The first scalar from `start` on that a composing normalization form may change or combine, or that is malformed;
/// `end` if there is none. `start` is the beginning of a scalar. Passed over are ASCII, U+3001…3029, U+3040…3098,
/// U+30A0…30FE and U+4000…9FFF.
size_t pl_find_unsettled(pl_simd_level level, const uint8_t *_Nonnull text, size_t start, size_t end,
                         pl_scan *_Nonnull scan);

/// The first scalar from `start` on, at least 1, that cleaning may change: white space (except one space between
/// characters that are none), controls, closing brackets, 、 behind an opening one, in UTF-8 that is valid; with
/// `numbers`, digits and + too.
size_t pl_find_unclean(pl_simd_level level, const uint8_t *_Nonnull text, size_t start, size_t end, int numbers,
                       pl_scan *_Nonnull scan);

/// The first place from `start` on of `:/`, `www` or `@` in either width, roughly: no such place is passed over.
size_t pl_find_address(pl_simd_level level, const uint8_t *_Nonnull text, size_t start, size_t end,
                       pl_scan *_Nonnull scan);

/// The first place from `start` on at which XML is more than characters: of `<` and `&`, and of what XML does not allow in
/// text if its UTF-8 is valid: controls other than tab and line feed (a carriage return, which is read as another
/// character, included), U+FFFE, U+FFFF and the first byte of `]]>`.
size_t pl_find_markup(pl_simd_level level, const uint8_t *_Nonnull text, size_t start, size_t end,
                      pl_scan *_Nonnull scan);

/// Line feeds.
size_t pl_count_lines(pl_simd_level level, const uint8_t *_Nonnull text, size_t length);

/// Characters (bytes that are no continuation), and those among them that show a wrong encoding: U+FFFD, 縺, 繧, 繝.
void pl_count_mojibake(pl_simd_level level, const uint8_t *_Nonnull text, size_t length, size_t *_Nonnull characters,
                       size_t *_Nonnull signs);

typedef struct {
  size_t kana, kanji, letters;
} pl_script_counts;

/// Adds the kana, kanji and letters (these included) of the scalars that begin in `start`..<`stop` of valid UTF-8, at
/// most 65,536 bytes. Scalars that are neither ASCII nor common in Japanese are not counted; their places, relative to
/// `start`, are written to `rest`, which has room for one per byte. Returns their number.
size_t pl_count_scripts(pl_simd_level level, const uint8_t *_Nonnull text, size_t start, size_t stop, size_t end,
                        pl_script_counts *_Nonnull counts, uint16_t *_Nonnull rest);

#endif

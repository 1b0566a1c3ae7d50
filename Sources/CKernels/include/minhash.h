// Kernels of near-duplicate search: folding text for comparison, hashing shingles, sketching sets.
// All instruction-set levels give identical results.
#ifndef CKERNELS_MINHASH_H
#define CKERNELS_MINHASH_H
#include <stddef.h>
#include <stdint.h>

/// Instruction sets that a kernel is compiled for.
typedef enum { PL_SIMD_BASELINE = 0, PL_SIMD_AVX2 = 1, PL_SIMD_AVX512 = 2 } pl_simd_level;

/// The highest level that this processor supports, or a lower one that the environment asks for: PIPELINE_SIMD=portable
/// or avx2.
pl_simd_level pl_simd_widest(void);

/// Marks in a folding table of 65,537 entries (index: a scalar below U+10000; the last is padding): the scalar is
/// removed; it needs the slow path. Any other entry is the scalar it becomes; a space that would follow a space or
/// start the text is left out.
enum { PL_FOLD_DROP = 0, PL_FOLD_SLOW = 0xFFFF };

/// Folds UTF-8 by table until its end or the first scalar that needs the slow path (all scalars from U+10000 and all
/// malformed bytes do). `out` already contains `count` scalars and has room for `length + 1` more. Returns its new
/// count; `*consumed` is set to the bytes read.
size_t pl_fold(pl_simd_level level, const uint8_t *_Nullable utf8, size_t length,
               const uint16_t *_Nonnull table, uint32_t *_Nonnull out, size_t count,
               size_t *_Nonnull consumed);

/// Hashes every run of `width` scalars (multilinear hashing, then one multiplication); fewer than `width`
/// scalars, even none, are one run. `out` has room for `count + 1` hashes. Returns the number of hashes.
size_t pl_shingle_hashes(pl_simd_level level, const uint32_t *_Nonnull scalars, size_t count, size_t width,
                         uint64_t *_Nonnull out);

/// Sketches a set of hashes: lane i of two sketches agrees with a probability equal to the sets' Jaccard similarity.
/// `hashes` may contain repeats. Without hashes every lane is zero. At most PL_SKETCH_LANES lanes.
enum { PL_SKETCH_LANES = 4096 };
void pl_sketch(pl_simd_level level, const uint64_t *_Nonnull hashes, size_t count, uint16_t *_Nonnull lanes,
               size_t lane_count);

/// Number of lanes in which two sketches agree.
size_t pl_lanes_agreeing(const uint16_t *_Nonnull a, const uint16_t *_Nonnull b, size_t lane_count);

#endif

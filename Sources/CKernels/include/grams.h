// Counting n-grams by sorting.
#ifndef CKERNELS_GRAMS_H
#define CKERNELS_GRAMS_H
#include <stddef.h>
#include <stdint.h>

#include "minhash.h"

/// Counts the n-grams of a sequence of symbols, exactly, for lengths from 1 to 10.
///
/// Positions are sorted by the five symbols from there on, then those whose 5-gram recurs by the five after them. Equal
/// n-grams are then neighbors, and how many symbols neighbors have in common gives the counts of every length. Time is
/// linear in the sequence, however often it repeats itself. Not thread-safe; memory is kept for the next sequence.
typedef struct pl_gram_sorter pl_gram_sorter;

enum { PL_GRAM_SHORT = 5, PL_GRAM_LONG = 10 };

typedef struct {
  uint64_t distinct;           // different n-grams
  uint64_t repeated_distinct;  // different n-grams that occur more than once
  uint64_t repeated_total;     // occurrences of n-grams that occur more than once
  uint64_t top;                // how often the most frequent one occurs
} pl_gram_counts;

/// NULL if there is no memory.
pl_gram_sorter *_Nullable pl_gram_sorter_new(pl_simd_level level);
void pl_gram_sorter_free(pl_gram_sorter *_Nullable sorter);

/// Sorts a sequence of fewer than 2³¹ symbols, each a scalar (or 0x110000) or less than `count`, and keeps what it needs
/// of it. Returns 0, or -1 if there is no memory.
int pl_gram_sort(pl_gram_sorter *_Nonnull sorter, const uint32_t *_Nonnull symbols, size_t count);

/// The counts of the sorted sequence's n-grams of a length from 1 to PL_GRAM_LONG.
pl_gram_counts pl_gram_tally(pl_gram_sorter *_Nonnull sorter, size_t length);

/// Occurrences of the `kinds` most frequent n-grams among those that occur more than once. `length` is at most
/// PL_GRAM_SHORT.
uint64_t pl_gram_frequent(pl_gram_sorter *_Nonnull sorter, size_t length, uint64_t kinds);

#endif

#include "grams.h"

#include <stdlib.h>
#include <string.h>

#include "blocks.h"

enum {
  half = PL_GRAM_SHORT,
  // Zeros after the symbols: reads go this far past the end, and no n-gram reaches into them.
  padding = 16,
  // Positions in no group are counted in one of so many places, so that additions do not wait for one another.
  strays = 8,
  scalars = 0x110001,
};

struct pl_gram_sorter {
  pl_simd_level level;
  size_t count, capacity, distinct, members;
  int is_wide, is_extended;
  uint32_t *numbers;  // of a symbol in this sequence, from 1; 0 for the others
  size_t number_capacity;
  uint32_t *seen;     // the symbol of a number
  void *symbols;      // numbers, of 16 bits unless there are more of them
  uint32_t *starts;   // where a symbol's positions, or a group's, start
  uint32_t *next;     // where the next one goes
  uint32_t *order, *other;
  uint32_t *groups;   // at i: the group of the position i - 5, if it is below `strays`, none
  uint8_t *common;    // symbols that a position has in common with the one sorted before it, at most 5; a block can be read behind the last
  uint8_t *further;   // the same of the five symbols after the first five, for positions in a group
};

pl_gram_sorter *pl_gram_sorter_new(pl_simd_level level) {
  pl_gram_sorter *s = calloc(1, sizeof *s);
  if (s) s->level = level;
  return s;
}

static void release(pl_gram_sorter *s) {
  free(s->seen);
  free(s->symbols);
  free(s->starts);
  free(s->next);
  free(s->order);
  free(s->other);
  free(s->groups);
  free(s->common);
  free(s->further);
  s->seen = s->starts = s->next = s->order = s->other = s->groups = NULL;
  s->symbols = NULL;
  s->common = s->further = NULL;
  s->capacity = 0;
}

void pl_gram_sorter_free(pl_gram_sorter *s) {
  if (!s) return;
  release(s);
  free(s->numbers);
  free(s);
}

static int reserve(pl_gram_sorter *s, size_t count) {
  size_t needed = count > scalars ? count : scalars;
  if (needed > s->number_capacity) {
    free(s->numbers);
    s->numbers = calloc(needed, sizeof *s->numbers);
    s->number_capacity = s->numbers ? needed : 0;
    if (!s->numbers) return -1;
  }
  if (count <= s->capacity && s->seen) return 0;
  size_t room = (count > 2 * s->capacity ? count : 2 * s->capacity) + padding + strays;
  release(s);
  s->seen = malloc(room * sizeof(uint32_t));
  s->symbols = malloc(room * sizeof(uint32_t));
  s->starts = malloc(room * sizeof(uint32_t));
  s->next = malloc(room * sizeof(uint32_t));
  s->order = malloc(room * sizeof(uint32_t));
  s->other = malloc(room * sizeof(uint32_t));
  s->groups = malloc(room * sizeof(uint32_t));
  s->common = malloc(room + width);
  s->further = malloc(room + width);
  if (!s->seen || !s->symbols || !s->starts || !s->next || !s->order || !s->other || !s->groups || !s->common ||
      !s->further) {
    release(s);
    return -1;
  }
  memset(s->starts, 0, room * sizeof(uint32_t));
  s->capacity = room - padding - strays;
  return 0;
}

// ---- Numbering ------------------------------------------------------------------------------------
// Symbols are numbered in order of arrival, so that tables of them are small. `starts` is all zero before, and counts
// them afterwards.

#define NUMBERING(TYPE, NAME, LIMIT)                                                                          \
  static size_t NAME(pl_gram_sorter *s, const uint32_t *restrict given, size_t count) {                       \
    uint32_t *restrict numbers = s->numbers, *restrict seen = s->seen, *restrict counts = s->starts;          \
    TYPE *restrict out = s->symbols;                                                                          \
    uint32_t last = 0;                                                                                        \
    size_t i = 0;                                                                                             \
    for (; i < count; i++) {                                                                                  \
      uint32_t symbol = given[i], number = numbers[symbol];                                                   \
      if (number == 0) {                                                                                      \
        if (last == LIMIT) break;                                                                             \
        number = ++last;                                                                                      \
        numbers[symbol] = number;                                                                             \
        seen[number] = symbol;                                                                                \
      }                                                                                                       \
      out[i] = (TYPE)number;                                                                                  \
      counts[number]++;                                                                                       \
    }                                                                                                         \
    memset(out + i, 0, padding * sizeof *out);                                                                \
    for (uint32_t n = 1; n <= last; n++) numbers[seen[n]] = 0;                                                \
    s->distinct = last;                                                                                       \
    return i;                                                                                                 \
  }

NUMBERING(uint16_t, number_narrow, UINT16_MAX)
NUMBERING(uint32_t, number_wide, UINT32_MAX)

// ---- Sorting --------------------------------------------------------------------------------------

INLINE uint32_t symbol_at(const void *symbols, size_t i, int is_wide) {
  return is_wide ? ((const uint32_t *)symbols)[i] : ((const uint16_t *)symbols)[i];
}

// Sorts positions by their first five symbols: by the last of them first, each time keeping the order of equals. What
// lies behind the end comes first.
INLINE void sort_short(pl_gram_sorter *s, int is_wide) {
  const void *symbols = s->symbols;
  const size_t count = s->count, distinct = s->distinct;
  uint32_t *restrict starts = s->starts, *restrict next = s->next;
  size_t k = half - 1, outside = count < k ? count : k;
  for (size_t i = 0; i < outside; i++) starts[symbol_at(symbols, i, is_wide)]--;
  uint32_t sum = (uint32_t)outside;
  for (size_t n = 1; n <= distinct; n++) {
    uint32_t size = starts[n];
    starts[n] = sum;
    sum += size;
  }
  starts[0] = 0;
  uint32_t *from = s->order, *to = s->other;
  memcpy(next, starts, (distinct + 1) * sizeof *next);
  for (size_t p = 0; p < count; p++) to[next[symbol_at(symbols, p + k, is_wide)]++] = (uint32_t)p;
  while (k-- > 0) {
    uint32_t *swapped = from;
    from = to;
    to = swapped;
    // One position fewer has its k-th symbol behind the end; one more has the symbol at k.
    if (k < count) {
      size_t entering = symbol_at(symbols, k, is_wide);
      for (size_t n = 1; n <= entering; n++) starts[n]--;
    }
    memcpy(next, starts, (distinct + 1) * sizeof *next);
    for (size_t i = 0; i < count; i++) {
      uint32_t p = from[i];
      to[next[symbol_at(symbols, p + k, is_wide)]++] = p;
    }
  }
  s->order = to;
  s->other = from;
  memset(starts, 0, (distinct + 1) * sizeof *starts);
}

INLINE uint64_t word(const void *symbols, size_t byte) {
  uint64_t out;
  memcpy(&out, (const char *)symbols + byte, sizeof out);
  return out;
}

// Of five symbols at p and at q: how many at the beginning are equal.
INLINE uint8_t in_common(const void *symbols, size_t p, size_t q, int is_wide) {
  if (is_wide) {
    const uint32_t *a = (const uint32_t *)symbols + p, *b = (const uint32_t *)symbols + q;
    uint8_t n = 0;
    while (n < half && a[n] == b[n]) n++;
    return n;
  }
  uint64_t differing = word(symbols, 2 * p) ^ word(symbols, 2 * q);
  unsigned all = __builtin_unpredictable(differing == 0), last = symbol_at(symbols, p + 4, 0) == symbol_at(symbols, q + 4, 0);
  unsigned first = (unsigned)__builtin_ctzll(differing | (uint64_t)all << 63) >> 4;
  return (uint8_t)(first + all + (all & last));
}

INLINE void compare_short(pl_gram_sorter *s, int is_wide) {
  const uint32_t *restrict order = s->order;
  uint8_t *restrict common = s->common;
  common[0] = 0;
  for (size_t i = 1; i < s->count; i++) common[i] = in_common(s->symbols, order[i - 1], order[i], is_wide);
  common[s->count] = 0;
}

int pl_gram_sort(pl_gram_sorter *s, const uint32_t *symbols, size_t count) {
  s->count = s->members = 0;
  if (count > INT32_MAX || reserve(s, count)) return -1;
  s->is_extended = 0;
  s->is_wide = number_narrow(s, symbols, count) < count;
  if (s->is_wide) {
    memset(s->starts, 0, (s->distinct + 1) * sizeof *s->starts);
    number_wide(s, symbols, count);
  }
  s->count = count;
  if (count == 0) return 0;
  if (s->is_wide) {
    sort_short(s, 1);
    compare_short(s, 1);
  } else {
    sort_short(s, 0);
    compare_short(s, 0);
  }
  return 0;
}

// Numbers the 5-grams that recur, and notes where their positions start in a list of such positions alone.
static void group(pl_gram_sorter *s) {
  const uint32_t *restrict order = s->order;
  const uint8_t *restrict common = s->common;
  uint32_t *restrict groups = s->groups, *restrict next = s->next;
  uint32_t number = strays - 1, members = 0;
  memset(groups, 0, half * sizeof *groups);
  next[strays] = 0;
  for (size_t i = 0; i < s->count; i++) {
    int joins = common[i] == half, begins = !joins && common[i + 1] == half;
    number += (uint32_t)begins;
    members += (uint32_t)(joins | begins);
    next[number + 1] = members;
    groups[order[i] + half] = joins | begins ? number : i % strays;
  }
  for (size_t i = 0; i < strays; i++) next[i] = members;
  s->members = members;
}

// Sorts the positions of recurring 5-grams by ten symbols. They are taken in the order of the five symbols after the
// first five, which is known, and put into their groups.
INLINE void extend(pl_gram_sorter *s, int is_wide) {
  group(s);
  const uint32_t *restrict order = s->order, *restrict groups = s->groups;
  uint32_t *restrict next = s->next, *restrict out = s->other;
  const size_t count = s->count;
  if (s->members == 0) return;
  if (groups[count] >= strays) out[next[groups[count]]++] = (uint32_t)(count - half);
  for (size_t i = 0; i < count; i++) {
    uint32_t q = order[i], number = groups[q];
    out[next[number]] = q - half;
    next[number] += number >= strays;
  }
  uint8_t *restrict further = s->further;
  further[0] = 0;
  uint32_t p = out[0];
  for (size_t i = 1; i < s->members; i++) {
    uint32_t q = out[i];
    uint8_t more = in_common(s->symbols, p + half, q + half, is_wide);
    further[i] = groups[p + half] == groups[q + half] ? more : 0;
    p = q;
  }
}

// ---- Counting -------------------------------------------------------------------------------------

INLINE void tally(const uint8_t *values, size_t count, uint8_t least, pl_gram_counts *out) {
  size_t joined = 0, begun = 0;
  uint64_t before = 0;
  runs equal = {0};
  for (size_t at = 0; at < count; at += width) {
    LOAD(v, values + at);
    uint64_t ones = BITS(v >= least) & inside(at, count);
    joined += ONES(ones);
    begun += ONES(ones & ~(ones << 1 | before));
    before = ones >> 63;
    take_in(&equal, ones);
  }
  out->distinct = joined;
  out->repeated_distinct = begun;
  out->repeated_total = joined + begun;
  out->top = longest_run(&equal) + 1;
}

#define COPIES(ATTRIBUTE, LEVEL)                                                                                    \
  ATTRIBUTE static void tally_##LEVEL(const uint8_t *values, size_t count, uint8_t least, pl_gram_counts *out) { \
    tally(values, count, least, out);                                                                               \
  }

COPIES(, baseline)
#if defined(__x86_64__)
COPIES(AVX2, avx2)
COPIES(AVX512, avx512)
#endif

pl_gram_counts pl_gram_tally(pl_gram_sorter *s, size_t length) {
  pl_gram_counts out = {0};
  if (length == 0 || length > PL_GRAM_LONG || length > s->count) return out;
  int is_long = length > half;
  if (is_long && !s->is_extended) {
    if (s->is_wide) extend(s, 1);
    else extend(s, 0);
    s->is_extended = 1;
  }
  const uint8_t *values = is_long ? s->further : s->common;
  size_t count = is_long ? s->members : s->count;
  uint8_t least = (uint8_t)(is_long ? length - half : length);
  const pl_simd_level level = s->level;
  DISPATCH(tally, values, count, least, &out);
  out.distinct = s->count - length + 1 - out.distinct;
  return out;
}

uint64_t pl_gram_frequent(pl_gram_sorter *s, size_t length, uint64_t kinds) {
  if (length == 0 || length > half || length > s->count) return 0;
  // How many n-grams occur how often; `other` is free once the long ones are sorted, and again sorted if need be.
  pl_gram_counts counts = pl_gram_tally(s, length);
  uint32_t *frequencies = s->other;
  s->is_extended = 0;
  memset(frequencies, 0, (counts.top + 1) * sizeof *frequencies);
  size_t run = 1;
  for (size_t i = 1; i <= s->count; i++) {
    int joins = s->common[i] >= length && i < s->count;
    if (!joins) frequencies[run]++;
    run = joins ? run + 1 : 1;
  }
  uint64_t sum = 0;
  for (size_t times = counts.top; times > 1 && kinds > 0; times--) {
    uint64_t taken = frequencies[times] < kinds ? frequencies[times] : kinds;
    sum += taken * times;
    kinds -= taken;
  }
  return sum;
}

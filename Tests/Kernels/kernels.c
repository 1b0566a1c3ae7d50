// Prints a digest of what each kernel computes over fixed inputs, for each level that the processor has.
// Scripts/check-portability runs it on several processors: the digests must be equal.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

enum { inputs = 400, longest = 3000 };

uint64_t json_strings_digest(void);

static uint64_t state;

static uint64_t dice(void) {
  state += 0x9E3779B97F4A7C15;
  uint64_t x = state;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

static uint64_t digest;

static void add(const void *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) digest = (digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3;
}

static void add_number(uint64_t number) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(number >> (8 * i));
  add(bytes, 8);
}

// UTF-8, mostly of three bytes, with ASCII, escapes and damage.
static size_t make_text(uint8_t *out, size_t most) {
  size_t length = 0, wanted = dice() % most;
  while (length + 4 < wanted) {
    uint64_t x = dice();
    if (x % 10 < 7) {
      uint32_t scalar = 0x3000 + (uint32_t)(x >> 8) % 0x6000;
      out[length++] = (uint8_t)(0xE0 | scalar >> 12);
      out[length++] = (uint8_t)(0x80 | (scalar >> 6 & 0x3F));
      out[length++] = (uint8_t)(0x80 | (scalar & 0x3F));
    } else {
      out[length++] = x % 10 == 9 ? (uint8_t)(x >> 8) : (uint8_t)(x >> 8 & 0x7F);
    }
  }
  return length;
}

static void print(const char *kernel) {
  printf("%s %016llx\n", kernel, (unsigned long long)digest);
  digest = 0xCBF29CE484222325;
}

static void near_duplicates(pl_simd_level level, const uint16_t *table) {
  static uint8_t text[longest];
  static uint32_t folded[longest + 8];
  static uint64_t hashes[longest + 8];
  static uint16_t lanes[256];
  state = 1;
  for (int input = 0; input < inputs; input++) {
    size_t length = make_text(text, longest), at = 0, count = 0;
    while (at < length) {
      size_t consumed;
      count = pl_fold(level, text + at, length - at, table, folded, count, &consumed);
      at += consumed + 1;
    }
    add_number(count);
    for (size_t i = 0; i < count; i++) add_number(folded[i]);
    size_t found = pl_shingle_hashes(level, folded, count, 1 + (size_t)input % 9, hashes);
    for (size_t i = 0; i < found; i++) add_number(hashes[i]);
    pl_sketch(level, hashes, found, lanes, 200);
    for (int i = 0; i < 200; i++) add_number(lanes[i]);
  }
  print("near-duplicates");
}

static void searches(pl_simd_level level) {
  static uint8_t text[longest];
  static uint16_t rest[longest];
  state = 3;
  for (int input = 0; input < inputs; input++) {
    size_t length = make_text(text, longest);
    for (int kind = 0; kind < 5; kind++) {
      pl_scan scan = {0};
      for (size_t i = 1; i < length; i++) {
        i = kind == 0   ? pl_find_unsettled(level, text, i, length, &scan)
            : kind == 1 ? pl_find_address(level, text, i, length, &scan)
            : kind == 4 ? pl_find_markup(level, text, i, length, &scan)
                        : pl_find_unclean(level, text, i, length, kind - 2, &scan);
        add_number(i);
      }
    }
    size_t characters, signs;
    pl_count_mojibake(level, text, length, &characters, &signs);
    pl_script_counts counts = {0};
    size_t found = pl_count_scripts(level, text, 0, length, length, &counts, rest);
    size_t numbers[] = {characters,   signs,          counts.kana,
                        counts.kanji, counts.letters, pl_count_lines(level, text, length)};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) add_number(numbers[i]);
    for (size_t i = 0; i < found; i++) add_number(rest[i]);
  }
  print("searches");
}

static void measures(pl_simd_level level) {
  static uint8_t text[longest], classes[65536], kinds[longest + 16];
  static uint32_t scalars[longest + 16];
  pl_gram_sorter *sorter = pl_gram_sorter_new(level);
  if (!sorter) exit(1);
  for (uint32_t i = 0; i < sizeof classes; i++) classes[i] = (uint8_t)(i * 37 >> 3);
  state = 4;
  for (int input = 0; input < inputs; input++) {
    size_t length = make_text(text, longest), at = 0, count = 0;
    while (at < length) {
      size_t consumed;
      count += pl_decode_utf8(level, text + at, length - at, classes, scalars + count, kinds + count, &consumed);
      add_number(consumed);
      at += consumed + 1;
    }
    pl_character_counts counts = pl_count_characters(level, scalars, kinds, count);
    size_t numbers[] = {counts.hiragana, counts.katakana, counts.kanji,  counts.punctuation,
                        counts.special,  counts.stops,    counts.spaces, counts.longest_run};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) add_number(numbers[i]);
    // Few different symbols, so that long n-grams recur.
    for (size_t i = 0; i < count; i++) scalars[i] %= 2 + (uint32_t)input % 50;
    if (pl_gram_sort(sorter, scalars, count) != 0) exit(1);
    for (size_t n = 1; n <= PL_GRAM_LONG; n++) {
      pl_gram_counts grams = pl_gram_tally(sorter, n);
      uint64_t tallied[] = {grams.distinct, grams.repeated_distinct, grams.repeated_total, grams.top};
      for (size_t i = 0; i < sizeof tallied / sizeof *tallied; i++) add_number(tallied[i]);
      if (n <= PL_GRAM_SHORT) add_number(pl_gram_frequent(sorter, n, 10));
    }
  }
  print("measures");
  pl_gram_sorter_free(sorter);
}

static void texts(void) {
  static uint8_t text[longest], escaped[6 * longest];
  pl_deflate_sizer *sizer = pl_deflate_sizer_new();
  if (!sizer) exit(1);
  state = 2;
  for (int input = 0; input < inputs; input++) {
    size_t length = make_text(text, longest);
    add(escaped, pl_json_escape(text, length, escaped));
    add_number(pl_json_plain_prefix(text, length));
  }
  print("json");
  for (int input = 0; input < inputs / 4; input++) add_number(pl_deflate_size(sizer, text, make_text(text, longest)));
  print("deflate-size");
  for (size_t length = 0; length < longest; length += 7) {
    uint64_t low;
    add_number(pl_xxh64(text, length, length));
    add_number(pl_xxh3(text, length));
    add_number(pl_xxh32(text, length, 7));
    add_number(pl_xxh3_128(text, length, &low));
    add_number(low);
  }
  print("hashes");
  pl_deflate_sizer_free(sizer);
}

int main(void) {
  static uint16_t table[65537];
  for (uint32_t i = 0; i < 65536; i++) {
    table[i] = i < 0x20 ? ' ' : i % 97 == 0 ? PL_FOLD_DROP : (uint16_t)(i % 89 == 0 ? PL_FOLD_SLOW : i);
  }
  digest = 0xCBF29CE484222325;
  for (int level = 0; level <= (int)pl_simd_widest(); level++) {
    near_duplicates((pl_simd_level)level, table);
    searches((pl_simd_level)level);
    measures((pl_simd_level)level);
  }
  texts();
  digest = json_strings_digest();
  print("json-strings");
  return 0;
}

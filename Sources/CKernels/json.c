#include "CKernels.h"

#include <string.h>

static inline int plain(uint8_t c) { return c >= 0x20 && c != '"' && c != '\\'; }

// Eight bytes at a time: a byte is special if it is below 0x20, '"' or '\'.
static inline uint64_t specials(uint64_t x) {
  const uint64_t ones = 0x0101010101010101ull, high = 0x8080808080808080ull;
  uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');
  uint64_t below = (x - ones * 0x20) & ~x;
  uint64_t is_quote = (quote - ones) & ~quote, is_slash = (slash - ones) & ~slash;
  return (below | is_quote | is_slash) & high;
}

size_t pl_json_plain_prefix(const uint8_t *bytes, size_t length) {
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    memcpy(&word, bytes + i, 8);
    uint64_t hit = specials(word);
    if (hit) return i + (size_t)(__builtin_ctzll(hit) >> 3);
  }
  while (i < length && plain(bytes[i])) i++;
  return i;
}

size_t pl_json_escape(const uint8_t *bytes, size_t length, uint8_t *out) {
  static const char hex[] = "0123456789abcdef";
  size_t i = 0, o = 0;
  while (i < length) {
    size_t run = pl_json_plain_prefix(bytes + i, length - i);
    memcpy(out + o, bytes + i, run);
    i += run;
    o += run;
    if (i == length) break;
    uint8_t c = bytes[i++];
    out[o++] = '\\';
    switch (c) {
      case '"': out[o++] = '"'; break;
      case '\\': out[o++] = '\\'; break;
      case '\n': out[o++] = 'n'; break;
      case '\r': out[o++] = 'r'; break;
      case '\t': out[o++] = 't'; break;
      case '\b': out[o++] = 'b'; break;
      case '\f': out[o++] = 'f'; break;
      default:
        memcpy(out + o, "u00", 3);
        out[o + 3] = (uint8_t)hex[c >> 4];
        out[o + 4] = (uint8_t)hex[c & 15];
        o += 5;
    }
  }
  return o;
}

#include "strings.h"

#include <cstdint>
#include <cstring>

namespace {

// Compiled for whatever vectors every processor of the architecture has.
typedef uint8_t vector16 __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

// A byte of ones for every quote and backslash, in the order of memory.
inline halves specials(const char *at) {
  vector16 bytes;
  std::memcpy(&bytes, at, sizeof bytes);
  return (halves)((bytes == '"') | (bytes == '\\'));
}

inline size_t first(halves hits) {
  return hits[0] ? (size_t)__builtin_ctzll(hits[0]) >> 3 : 8 + ((size_t)__builtin_ctzll(hits[1]) >> 3);
}

// The first quote or backslash, or `end`. Reads up to 31 bytes past the end.
const char *next_special(const char *at, const char *end) {
  for (; at < end; at += 32) {
    halves low = specials(at), high = specials(at + 16), any = low | high;
    if (!(any[0] | any[1])) continue;
    at += low[0] | low[1] ? first(low) : 16 + first(high);
    return at < end ? at : end;
  }
  return end;
}

// The value of a hexadecimal digit; 0xFF for other bytes.
struct digit_table {
  uint8_t values[256];

  constexpr digit_table() : values() {
    for (int c = 0; c < 256; c++) {
      int letter = c | 0x20;
      values[c] = c >= '0' && c <= '9'           ? (uint8_t)(c - '0')
                  : letter >= 'a' && letter <= 'f' ? (uint8_t)(letter - 'a' + 10)
                                                   : 0xFF;
    }
  }
};

constexpr digit_table digits;

// The scalar of \uXXXX, of which `at` is behind the u, or of two of them. Returns false if it is no scalar.
bool read_scalar(const char *&at, const char *end, unsigned &scalar) {
  int code = read_hex4(at, end);
  if (code < 0 || (code >= 0xDC00 && code < 0xE000)) return false;
  scalar = (unsigned)code;
  if (code < 0xD800 || code >= 0xE000) return true;
  if (end - at < 2 || at[0] != '\\' || at[1] != 'u') return false;
  at += 2;
  int low = read_hex4(at, end);
  if (low < 0xDC00 || low >= 0xE000) return false;
  scalar = 0x10000 + ((unsigned)(code - 0xD800) << 10) + (unsigned)(low - 0xDC00);
  return true;
}

// What stands for the byte behind a backslash; 0 if that is no escape.
char escaped(char c) {
  switch (c) {
    case '"': case '\\': case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
  }
}

}  // namespace

char *write_utf8(unsigned scalar, char *out) {
  if (scalar < 0x80) {
    *out++ = (char)scalar;
    return out;
  }
  int rest = scalar < 0x800 ? 1 : scalar < 0x10000 ? 2 : 3;
  static const unsigned leads[] = {0, 0xC0, 0xE0, 0xF0};
  *out++ = (char)(leads[rest] | scalar >> (6 * rest));
  while (rest--) *out++ = (char)(0x80 | (scalar >> (6 * rest) & 0x3F));
  return out;
}

int read_hex4(const char *&at, const char *end) {
  if (end - at < 4) return -1;
  unsigned values[4];
  for (int i = 0; i < 4; i++) values[i] = digits.values[(uint8_t)at[i]];
  if ((values[0] | values[1] | values[2] | values[3]) > 0xF) return -1;
  at += 4;
  return (int)(values[0] << 12 | values[1] << 8 | values[2] << 4 | values[3]);
}

string_reader::result string_reader::read(const char *at, std::string_view json, std::string_view &text) {
  const char *end = json.data() + json.size();
  const char *stop = next_special(at, end);
  if (stop < end && *stop == '"') {
    text = std::string_view(at, (size_t)(stop - at));
    return success;
  }
  if (!out) {
    // Unescaped texts are shorter than the JSON, so the texts of one object never move.
    if (unescaped.size() < json.size()) unescaped.resize(json.size());
    out = unescaped.data();
  }
  char *begin = out;
  while (true) {
    if (stop == end) return no_end;
    if (stop > at) std::memcpy(out, at, (size_t)(stop - at));
    out += stop - at;
    at = stop + 1;
    if (*stop == '"') break;
    if (at == end) return no_end;
    char c = *at++;
    if (c == 'u') {
      unsigned scalar;
      if (!read_scalar(at, end, scalar)) return invalid_escape;
      out = write_utf8(scalar, out);
    } else {
      if (!escaped(c)) return invalid_escape;
      *out++ = escaped(c);
    }
    // Escapes often follow one another: a text may be written in ASCII alone.
    stop = at < end && *at == '\\' ? at : next_special(at, end);
  }
  text = std::string_view(begin, (size_t)(out - begin));
  return success;
}

// The texts of JSON strings. simdjson reads them as fast only where it is compiled for the processor at hand; this is the
// same code on every machine.
#ifndef STRINGS_H
#define STRINGS_H
#include <cstddef>
#include <string_view>
#include <vector>

/// Unescapes the strings of one object after another. Texts are valid until `start` is called again, or until the JSON
/// is freed.
class string_reader {
  std::vector<char> unescaped;
  char *out = nullptr;

 public:
  enum result { success, invalid_escape, no_end };

  /// Forgets the texts so far.
  void start() { out = nullptr; }

  /// The text of the string that starts at `at`, behind its quote. A text without escapes is a slice of the JSON.
  /// `json` is the whole object, with 64 readable bytes after its end; its UTF-8 has been checked.
  /// - Throws: `std::bad_alloc`
  result read(const char *at, std::string_view json, std::string_view &text);
};

/// A scalar as UTF-8 at `out`. Returns the end.
char *write_utf8(unsigned scalar, char *out);

/// Reads four hexadecimal digits and moves `at` past them. Returns -1, and leaves `at`, if they are not four.
int read_hex4(const char *&at, const char *end);

#endif

#include "grammar.h"

#include "strings.h"

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

namespace {

struct scanner {
  const char *at;
  const char *end;

  int peek() const { return at < end ? (unsigned char)*at : -1; }

  bool accept(int c) {
    if (peek() != c) return false;
    at++;
    return true;
  }

  void space() {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  }

  bool word(std::string_view name) {
    if ((size_t)(end - at) < name.size() || std::string_view(at, name.size()) != name) return false;
    at += name.size();
    return true;
  }

  bool digits() {
    const char *start = at;
    while (at < end && *at >= '0' && *at <= '9') at++;
    return at > start;
  }

  bool number() {
    accept('-');
    if (!accept('0') && !digits()) return false;
    if (accept('.') && !digits()) return false;
    if (accept('e') || accept('E')) {
      if (!accept('+')) accept('-');
      return digits();
    }
    return true;
  }

  int hex4() { return read_hex4(at, end); }

  bool escape() {
    int c = peek();
    at++;
    switch (c) {
      case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': return true;
      case 'u': break;
      default: return false;
    }
    int code = hex4();
    if (code < 0 || (code >= 0xDC00 && code < 0xE000)) return false;
    if (code < 0xD800 || code >= 0xE000) return true;
    if (!accept('\\') || !accept('u')) return false;
    int low = hex4();
    return low >= 0xDC00 && low < 0xE000;
  }

  // Skips bytes without special meaning, eight at a time.
  void skip_plain() {
    const uint64_t ones = 0x0101010101010101ull, high = 0x8080808080808080ull;
    while (end - at >= 8) {
      uint64_t x;
      std::memcpy(&x, at, 8);
      uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');
      uint64_t hit = (((x - ones * 0x20) & ~x) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & high;
      if (hit) {
        at += __builtin_ctzll(hit) >> 3;
        return;
      }
      at += 8;
    }
  }

  bool string() {
    if (!accept('"')) return false;
    while (at < end) {
      skip_plain();
      if (at == end) return false;
      unsigned char c = (unsigned char)*at++;
      if (c == '"') return true;
      if (c < 0x20) return false;
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }

  bool scalar() {
    switch (peek()) {
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

  // The slice is the key as written, without its quotes.
  bool key(std::string_view &name) {
    space();
    const char *start = at;
    if (!string()) return false;
    name = std::string_view(start + 1, (size_t)(at - start) - 2);
    space();
    return accept(':');
  }
};

// The unescaped bytes of a string whose escapes have been checked.
std::string unescaped(std::string_view written) {
  scanner s{written.data(), written.data() + written.size()};
  std::string out;
  while (s.at < s.end) {
    char c = *s.at++;
    if (c != '\\') {
      out += c;
      continue;
    }
    c = *s.at++;
    switch (c) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': {
        unsigned code = (unsigned)s.hex4();
        if (code >= 0xD800 && code < 0xDC00) {
          s.at += 2;
          code = 0x10000 + ((code - 0xD800) << 10) + ((unsigned)s.hex4() - 0xDC00);
        }
        char utf8[4];
        out.append(utf8, (size_t)(write_utf8(code, utf8) - utf8));
        break;
      }
      default: out += c;
    }
  }
  return out;
}

// The keys of the open objects, innermost last.
class key_table {
  std::vector<std::string_view> keys;
  struct start { size_t key, text; };
  std::vector<start> starts;
  std::deque<std::string> texts;  // of keys with escapes; a deque does not move its elements
  bool repeated = false;
  bool full = false;

 public:
  void open() { starts.push_back({keys.size(), texts.size()}); }

  void add(std::string_view written) {
    full = full || keys.size() == maximum_json_members;
    if (full) return;
    if (written.find('\\') == std::string_view::npos) return keys.push_back(written);
    texts.push_back(unescaped(written));
    keys.push_back(texts.back());
  }

  void close() {
    auto first = keys.begin() + (std::ptrdiff_t)starts.back().key;
    repeated = repeated || (keys.end() - first <= few ? has_equal_pair(first) : has_equal_neighbors(first));
    keys.erase(first, keys.end());
    texts.resize(starts.back().text);
    starts.pop_back();
  }

  bool has_repeated() const { return repeated; }
  bool is_full() const { return full; }

  // Resets for the next object; memory is kept.
  void clear() {
    keys.clear();
    starts.clear();
    texts.clear();
    repeated = false;
    full = false;
  }

 private:
  using place = std::vector<std::string_view>::iterator;
  static constexpr std::ptrdiff_t few = 16;

  bool has_equal_pair(place first) {
    for (auto a = first; a != keys.end(); a++) {
      for (auto b = first; b != a; b++) {
        if (*a == *b) return true;
      }
    }
    return false;
  }

  bool has_equal_neighbors(place first) {
    std::sort(first, keys.end());
    return std::adjacent_find(first, keys.end()) != keys.end();
  }
};

// Ignores keys.
struct no_table {
  void open() {}
  void add(std::string_view) {}
  void close() {}
};

template <typename table>
bool is_value(std::string_view text, table &keys) {
  scanner s{text.data(), text.data() + text.size()};
  std::bitset<maximum_json_depth> is_object;
  int depth = 0;
  auto key = [&] {
    std::string_view name;
    if (!s.key(name)) return false;
    keys.add(name);
    return true;
  };
  while (true) {
    // A value is expected.
    s.space();
    bool opens_object = s.peek() == '{';
    if (opens_object || s.peek() == '[') {
      if (depth == maximum_json_depth) return false;
      s.at++;
      s.space();
      if (s.accept(opens_object ? '}' : ']')) {
        // Empty: already complete.
      } else {
        is_object[depth++] = opens_object;
        if (opens_object) keys.open();
        if (opens_object && !key()) return false;
        continue;
      }
    } else if (!s.scalar()) {
      return false;
    }
    // A value has ended; its container may end too.
    while (true) {
      s.space();
      if (depth == 0) return s.at == s.end;
      if (s.accept(',')) break;
      if (!s.accept(is_object[depth - 1] ? '}' : ']')) return false;
      if (is_object[depth - 1]) keys.close();
      depth--;
    }
    if (is_object[depth - 1] && !key()) return false;
  }
}

}  // namespace

bool is_json_value(std::string_view text) {
  no_table none;
  return is_value(text, none);
}

json_object_state judge_json_object(std::string_view text) {
  static thread_local key_table keys;
  keys.clear();
  size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '{' || !is_value(text, keys)) return no_json_object;
  if (keys.is_full()) return too_many_members;
  return keys.has_repeated() ? repeated_keys : unique_keys;
}

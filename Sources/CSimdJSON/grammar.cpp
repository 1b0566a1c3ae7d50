#include "grammar.h"

#include <bitset>

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

  // Four hexadecimal digits, or -1.
  int hex4() {
    int code = 0;
    for (int i = 0; i < 4; i++) {
      int c = peek();
      int letter = c | 0x20;
      if (c >= '0' && c <= '9') code = code * 16 + (c - '0');
      else if (letter >= 'a' && letter <= 'f') code = code * 16 + (letter - 'a' + 10);
      else return -1;
      at++;
    }
    return code;
  }

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

  bool string() {
    if (!accept('"')) return false;
    while (at < end) {
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

  bool key() {
    space();
    if (!string()) return false;
    space();
    return accept(':');
  }
};

}  // namespace

bool is_json_value(std::string_view text) {
  scanner s{text.data(), text.data() + text.size()};
  std::bitset<maximum_json_depth> is_object;
  int depth = 0;
  while (true) {
    // A value stands here.
    s.space();
    bool opens_object = s.peek() == '{';
    if (opens_object || s.peek() == '[') {
      if (depth == maximum_json_depth) return false;
      s.at++;
      s.space();
      if (s.accept(opens_object ? '}' : ']')) {
        // Empty: complete as it is.
      } else {
        is_object[depth++] = opens_object;
        if (opens_object && !s.key()) return false;
        continue;
      }
    } else if (!s.scalar()) {
      return false;
    }
    // A value has ended; so may what it stands in.
    while (true) {
      s.space();
      if (depth == 0) return s.at == s.end;
      if (s.accept(',')) break;
      if (!s.accept(is_object[depth - 1] ? '}' : ']')) return false;
      depth--;
    }
    if (is_object[depth - 1] && !s.key()) return false;
  }
}

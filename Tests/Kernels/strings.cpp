// A digest of what the readers of JSON strings make of fixed inputs.
#include "../../Sources/CSimdJSON/strings.h"

#include <cstdint>
#include <string>

#include "../../Sources/CSimdJSON/grammar.h"

static uint64_t digest = 0xCBF29CE484222325;

static void add(std::string_view bytes) {
  for (char byte : bytes) digest = (digest ^ (uint8_t)byte) * 0x100000001B3;
}

extern "C" uint64_t json_strings_digest(void) {
  static const char *const parts[] = {"a", "水車", "\\n", "\\u3042", "\\ud83d\\ude00", "\\\"", "\\ud800", "plain text without escapes, "};
  string_reader reader;
  uint64_t state = 3;
  for (int input = 0; input < 4000; input++) {
    std::string json = "{\"key\":\"";
    for (int i = input % 23; i > 0; i--) {
      state = state * 6364136223846793005 + 1442695040888963407;
      json += parts[(state >> 33) % (input % 5 ? 6 : 8)];
    }
    json += "\"}";
    size_t length = json.size();
    json.append(64, '"');
    std::string_view text;
    reader.start();
    add(std::to_string(reader.read(json.data() + 8, std::string_view(json.data(), length), text)));
    add(text);
    add(std::to_string(judge_json_object(std::string_view(json.data(), length))));
  }
  return digest;
}

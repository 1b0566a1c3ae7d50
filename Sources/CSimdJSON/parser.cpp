// The library finds the structure of an object with the processor's widest vectors, chosen at run time. Its on-demand
// code, which this file contains, is chosen at compile time, and is the portable one on x86-64: it only walks along the
// structure. Strings, which are most of the bytes, are read by `string_reader`.
#include "CSimdJSON.h"

#include "grammar.h"
#include "strings.h"

#include <cstdlib>
#include <cstring>

#include <simdjson.h>

using namespace simdjson;

static_assert(maximum_json_members == PL_JSON_MEMBERS, "one bound");
static_assert(PL_JSON_PADDING >= SIMDJSON_PADDING, "padding is smaller than simdjson requires");

struct pl_json_parser {
  ondemand::parser parser;
  string_reader strings;
};

// Outside simdjson's own codes.
static constexpr int too_many_fields = 1000;  // more than the caller has room for
static constexpr int bad_value = 1001;        // not JSON

// The library's code without vectors if the environment asks for it.
static bool choose_implementation() {
  const char *asked = std::getenv("PIPELINE_SIMD");
  const implementation *portable = get_available_implementations()["fallback"];
  if (asked && std::strcmp(asked, "portable") == 0 && portable) get_active_implementation() = portable;
  return true;
}

static void choose_implementation_once() {
  static const bool chosen = choose_implementation();
  (void)chosen;
}

extern "C" const char *pl_json_implementation(void) {
  choose_implementation_once();
  static const std::string name = get_active_implementation()->name();
  return name.c_str();
}

extern "C" pl_json_parser *pl_json_parser_new(void) {
  choose_implementation_once();
  return new (std::nothrow) pl_json_parser();
}

extern "C" void pl_json_parser_free(pl_json_parser *parser) { delete parser; }

static error_code read_text(pl_json_parser *self, std::string_view json, ondemand::raw_json_string string,
                            std::string_view &text) {
  switch (self->strings.read(string.raw(), json, text)) {
    case string_reader::success: return SUCCESS;
    case string_reader::invalid_escape: return STRING_ERROR;
    case string_reader::no_end: return UNCLOSED_STRING;
  }
}

static int read_value(pl_json_parser *self, std::string_view json, ondemand::value value, pl_json_field *out) {
  ondemand::json_type type;
  if (auto error = value.type().get(type)) return error;
  std::string_view slice;
  error_code error = SUCCESS;
  switch (type) {
    case ondemand::json_type::string: {
      out->kind = PL_JSON_STRING;
      ondemand::raw_json_string string;
      if ((error = value.get_raw_json_string().get(string))) break;
      error = read_text(self, json, string, slice);
      break;
    }
    case ondemand::json_type::object: {
      out->kind = PL_JSON_OBJECT;
      ondemand::object object;
      if ((error = value.get_object().get(object))) break;
      error = object.raw_json().get(slice);
      break;
    }
    case ondemand::json_type::array: {
      out->kind = PL_JSON_ARRAY;
      ondemand::array array;
      if ((error = value.get_array().get(array))) break;
      error = array.raw_json().get(slice);
      break;
    }
    case ondemand::json_type::number:
      out->kind = PL_JSON_NUMBER;
      slice = value.raw_json_token();
      break;
    case ondemand::json_type::boolean:
      out->kind = PL_JSON_BOOL;
      slice = value.raw_json_token();
      break;
    case ondemand::json_type::null:
      out->kind = PL_JSON_NULL;
      slice = value.raw_json_token();
      break;
  }
  if (error) return error;
  // simdjson only skips nested values, and limits integers to 64 bits, which JSON does not.
  if (out->kind != PL_JSON_STRING) {
    if (!is_json_value(slice)) return bad_value;
    while ((unsigned char)slice.back() <= ' ') slice.remove_suffix(1);
  }
  out->value = slice.data();
  out->value_length = slice.size();
  return SUCCESS;
}

static int read_object(pl_json_parser *self, std::string_view json, pl_json_field *fields, int capacity) {
  self->strings.start();
  ondemand::document document;
  if (auto error = self->parser.iterate(json.data(), json.size(), json.size() + SIMDJSON_PADDING).get(document))
    return -1 - error;
  ondemand::object object;
  if (auto error = document.get_object().get(object)) return -1 - error;
  int count = 0;
  for (auto member : object) {
    if (count == capacity) return -1 - too_many_fields;
    ondemand::field field;
    if (auto error = std::move(member).get(field)) return -1 - error;
    std::string_view key;
    if (auto error = read_text(self, json, field.key(), key)) return -1 - error;
    fields[count].key = key.data();
    fields[count].key_length = key.size();
    if (auto error = read_value(self, json, field.value(), &fields[count])) return -1 - error;
    count++;
  }
  const char *rest;
  if (document.current_location().get(rest) == SUCCESS) return -1 - TRAILING_CONTENT;
  return count;
}

extern "C" int pl_json_object(pl_json_parser *self, const char *json, size_t length, pl_json_field *fields,
                              int capacity) {
  try {
    return read_object(self, std::string_view(json, length), fields, capacity);
  } catch (const std::bad_alloc &) {
    return -1 - MEMALLOC;
  }
}

extern "C" const char *pl_json_message(int result) {
  int code = -1 - result;
  if (code == too_many_fields) return "the object has more than 1048576 members";
  if (code == bad_value) return "a value is not JSON, or nested deeper than 128";
  return simdjson::error_message(error_code(code));
}

extern "C" int pl_json_is_full(int result) { return result == -1 - too_many_fields; }

extern "C" int pl_is_utf8(const char *bytes, size_t length) {
  choose_implementation_once();
  return length == 0 || simdjson::validate_utf8(bytes, length);
}

extern "C" int pl_json_keys(const char *json, size_t length) {
  return judge_json_object(std::string_view(json, json ? length : 0));
}

extern "C" int pl_is_json(const char *json, size_t length) {
  return is_json_value(std::string_view(json, json ? length : 0));
}

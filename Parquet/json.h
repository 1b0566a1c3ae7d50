// Arrow's values as JSON.
#pragma once
#include <arrow/array.h>

#include <string>
#include <string_view>

#include "pipeline_parquet.h"

namespace pipeline {

struct TooLarge {};

// Bytes that do not grow beyond a limit.
class Text : public std::string {
 public:
  size_t most = npos;
  // Throws `TooLarge` if there is no room for so many bytes more.
  void require(size_t more) const;
};

// Appends a text with its quotes.
void append_string(std::string_view text, std::string &out);

// Appends the value of a row: text as a string, bytes that are not UTF-8 in base64, moments as in ISO 8601, maps with
// text as keys as objects, numbers that are not finite as null. Returns what it is. Throws `TooLarge` if it has no room;
// what is written before that exceeds the limit by the name of a field at most.
pp_kind append_json(const arrow::Array &array, int64_t row, Text &out);

// Where the value of a row is: dictionaries, runs, unions and extensions refer to other arrays, which they keep alive.
struct Place {
  const arrow::Array *array;
  int64_t row;
};
Place resolve(const arrow::Array &array, int64_t row);

// Whether a value of this type is text or bytes; `view` then gives it as it is.
bool is_text(const arrow::Array &array);
std::string_view text_view(const arrow::Array &array, int64_t row);

// Throws for a type that is nested too deeply to be written as JSON.
void require_shallow(const arrow::DataType &type, int depth = 0);

}  // namespace pipeline

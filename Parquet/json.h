// Arrow's values as JSON.
#pragma once
#include <arrow/array.h>

#include <string>
#include <string_view>

#include "pipeline_parquet.h"

namespace pipeline {

// Appends a text with its quotes.
void append_string(std::string_view text, std::string &out);

// Appends the value of a row: text as a string, bytes that are not UTF-8 in base64, moments as in ISO 8601, maps with
// text as keys as objects, numbers that are not finite as null. Returns what it is.
pp_kind append_json(const arrow::Array &array, int64_t row, std::string &out);

// Whether a value of this type is text or bytes; `view` then gives it as it is.
bool is_text(const arrow::Array &array);
std::string_view text_view(const arrow::Array &array, int64_t row);

// Throws for a type that is nested too deeply to be written as JSON.
void require_shallow(const arrow::DataType &type, int depth = 0);

}  // namespace pipeline

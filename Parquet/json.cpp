#include "json.h"

#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/util/float16.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace pipeline {

using arrow::Array;
using arrow::Type;

namespace {

// MARK: Text

void escape(unsigned char byte, std::string &out) {
  static const char digits[] = "0123456789abcdef";
  switch (byte) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default:
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
  }
}

bool is_utf8(std::string_view text) {
  const auto *at = reinterpret_cast<const unsigned char *>(text.data());
  const auto *end = at + text.size();
  while (at < end) {
    if (*at < 0x80) {
      at++;
      continue;
    }
    const int more = *at >= 0xF0 ? 3 : *at >= 0xE0 ? 2 : 1;
    if (*at < 0xC2 || *at > 0xF4 || end - at <= more) return false;
    const unsigned char first = *at, second = at[1];
    for (int i = 1; i <= more; i++) {
      if ((at[i] & 0xC0) != 0x80) return false;
    }
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return false;
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return false;
    at += more + 1;
  }
  return true;
}

void append_base64(std::string_view bytes, std::string &out) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out += '"';
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; k++) word = word << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; k++) out += k <= count ? letters[word >> (18 - 6 * k) & 63] : '=';
  }
  out += '"';
}

// MARK: Numbers

template <class Number>
pp_kind append_number(Number number, std::string &out) {
  char room[64];
  const auto end = std::to_chars(room, room + sizeof room, number).ptr;
  out.append(room, end);
  return PP_NUMBER;
}

// The shortest digits that give the same value of its type; a whole number keeps a fraction.
template <class Real>
pp_kind append_real(Real number, std::string &out) {
  if (!std::isfinite(number)) {
    out += "null";
    return PP_OTHER;
  }
  const size_t start = out.size();
  append_number(number, out);
  if (out.find_first_of(".e", start) == std::string::npos) out += ".0";
  return PP_NUMBER;
}

// MARK: Time

void append_padded(int64_t number, int digits, std::string &out) {
  char room[32];
  const auto end = std::to_chars(room, room + sizeof room, number).ptr;
  for (auto count = end - room; count < digits; count++) out += '0';
  out.append(room, end);
}

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// Days since 1970-01-01 in the proleptic Gregorian calendar.
void append_date(int64_t days, std::string &out) {
  // Counted from 1 March of year 0, in eras of 400 years.
  days += 719468;
  const int64_t era = floor_divide(days, 146097), day = days - era * 146097;
  const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  const int64_t of_year = day - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
  const int64_t civil = year + era * 400 + (month >= 10);
  if (civil < 0) out += '-';
  append_padded(civil < 0 ? -civil : civil, 4, out);
  out += '-';
  append_padded(month < 10 ? month + 3 : month - 9, 2, out);
  out += '-';
  append_padded(of_year - (153 * month + 2) / 5 + 1, 2, out);
}

int64_t per_second(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return 1;
    case arrow::TimeUnit::MILLI: return 1000;
    case arrow::TimeUnit::MICRO: return 1000000;
    default: return 1000000000;
  }
}

// A time of day, 0 ..< 24 hours for what is valid.
void append_time(int64_t ticks, arrow::TimeUnit::type unit, std::string &out) {
  const int64_t rate = per_second(unit), seconds = floor_divide(ticks, rate), rest = ticks - seconds * rate;
  append_padded(seconds / 3600, 2, out);
  out += ':';
  append_padded(seconds / 60 % 60, 2, out);
  out += ':';
  append_padded(seconds % 60, 2, out);
  if (rest == 0) return;
  out += '.';
  append_padded(rest, rate == 1000 ? 3 : rate == 1000000 ? 6 : 9, out);
}

pp_kind append_moment(int64_t ticks, const arrow::TimestampType &type, std::string &out) {
  const int64_t day = 86400 * per_second(type.unit()), days = floor_divide(ticks, day);
  out += '"';
  append_date(days, out);
  out += 'T';
  append_time(ticks - days * day, type.unit(), out);
  if (!type.timezone().empty()) out += 'Z';
  out += '"';
  return PP_OTHER;
}

// MARK: Nested values

pp_kind append_list(const Array &values, int64_t from, int64_t count, Text &out) {
  out += '[';
  for (int64_t i = 0; i < count; i++) {
    if (i > 0) out += ',';
    append_json(values, from + i, out);
  }
  out += ']';
  return PP_OTHER;
}

template <class List>
pp_kind append_list(const Array &array, int64_t row, Text &out) {
  const auto &list = static_cast<const List &>(array);
  return append_list(*list.values(), list.value_offset(row), list.value_length(row), out);
}

pp_kind append_struct(const arrow::StructArray &array, int64_t row, Text &out) {
  const auto &type = *array.struct_type();
  out += '{';
  for (int i = 0; i < type.num_fields(); i++) {
    if (i > 0) out += ',';
    append_string(type.field(i)->name(), out);
    out += ':';
    append_json(*array.field(i), row, out);
  }
  out += '}';
  return PP_OTHER;
}

// An object if the keys are text, else a list of pairs.
pp_kind append_map(const arrow::MapArray &array, int64_t row, Text &out) {
  const Array &keys = *array.keys(), &items = *array.items();
  const bool is_object = is_text(keys);
  out += is_object ? '{' : '[';
  const int64_t from = array.value_offset(row), count = array.value_length(row);
  for (int64_t i = from; i < from + count; i++) {
    if (i > from) out += ',';
    if (!is_object) out += '[';
    append_json(keys, i, out);
    out += is_object ? ':' : ',';
    append_json(items, i, out);
    if (!is_object) out += ']';
  }
  out += is_object ? '}' : ']';
  return PP_OTHER;
}

pp_kind append_interval(const Array &array, int64_t row, std::string &out) {
  out += '{';
  auto part = [&](const char *name, int64_t number, bool is_last) {
    append_string(name, out);
    out += ':';
    append_number(number, out);
    out += is_last ? '}' : ',';
  };
  if (array.type_id() == Type::INTERVAL_MONTHS) {
    part("months", static_cast<const arrow::MonthIntervalArray &>(array).Value(row), true);
  } else if (array.type_id() == Type::INTERVAL_DAY_TIME) {
    const auto value = static_cast<const arrow::DayTimeIntervalArray &>(array).GetValue(row);
    part("days", value.days, false);
    part("milliseconds", value.milliseconds, true);
  } else {
    const auto value = static_cast<const arrow::MonthDayNanoIntervalArray &>(array).GetValue(row);
    part("months", value.months, false);
    part("days", value.days, false);
    part("nanoseconds", value.nanoseconds, true);
  }
  return PP_OTHER;
}

// MARK: All types

template <class Numbers>
pp_kind append_integer(const Array &array, int64_t row, std::string &out) {
  return append_number(static_cast<const Numbers &>(array).Value(row), out);
}

size_t escaped_size(std::string_view text) {
  size_t size = text.size() + 2;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte == '"' || byte == '\\' || byte == '\n' || byte == '\r' || byte == '\t') size += 1;
    else if (byte < 0x20) size += 5;
  }
  return size;
}

pp_kind append_text(std::string_view text, bool may_be_bytes, Text &out) {
  out.require(text.size());
  if (text.size() > (out.most - out.size()) / 8) out.require(escaped_size(text));
  if (may_be_bytes && !is_utf8(text)) append_base64(text, out); else append_string(text, out);
  return PP_STRING;
}

template <class Decimals>
pp_kind append_decimal(const Array &array, int64_t row, std::string &out) {
  out += static_cast<const Decimals &>(array).FormatValue(row);
  return PP_NUMBER;
}

template <class Times>
pp_kind append_time_of_day(const Array &array, int64_t row, std::string &out) {
  out += '"';
  append_time(
      static_cast<const Times &>(array).Value(row), static_cast<const arrow::TimeType &>(*array.type()).unit(), out);
  out += '"';
  return PP_OTHER;
}

pp_kind append_day(int64_t days, std::string &out) {
  out += '"';
  append_date(days, out);
  out += '"';
  return PP_OTHER;
}

}  // namespace

void Text::require(size_t more) const {
  if (size() > most || more > most - size()) throw TooLarge();
}

void append_string(std::string_view text, std::string &out) {
  out += '"';
  size_t start = 0;
  for (size_t i = 0; i < text.size(); i++) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text, start, i - start);
    escape(byte, out);
    start = i + 1;
  }
  out.append(text, start, text.size() - start);
  out += '"';
}

bool is_text(const Array &array) {
  switch (array.type_id()) {
    case Type::STRING: case Type::LARGE_STRING: case Type::STRING_VIEW: case Type::BINARY: case Type::LARGE_BINARY:
    case Type::BINARY_VIEW: case Type::FIXED_SIZE_BINARY: return true;
    default: return false;
  }
}

std::string_view text_view(const Array &array, int64_t row) {
  switch (array.type_id()) {
    case Type::STRING: case Type::BINARY: return static_cast<const arrow::BinaryArray &>(array).GetView(row);
    case Type::LARGE_STRING: case Type::LARGE_BINARY:
      return static_cast<const arrow::LargeBinaryArray &>(array).GetView(row);
    case Type::STRING_VIEW: case Type::BINARY_VIEW:
      return static_cast<const arrow::BinaryViewArray &>(array).GetView(row);
    default: return static_cast<const arrow::FixedSizeBinaryArray &>(array).GetView(row);
  }
}

namespace {

int64_t run_of(const arrow::RunEndEncodedArray &array, int64_t row) {
  const auto &ends = *array.run_ends();
  const int64_t wanted = array.offset() + row;
  auto end_at = [&](int64_t i) -> int64_t {
    switch (ends.type_id()) {
      case Type::INT16: return static_cast<const arrow::Int16Array &>(ends).Value(i);
      case Type::INT32: return static_cast<const arrow::Int32Array &>(ends).Value(i);
      default: return static_cast<const arrow::Int64Array &>(ends).Value(i);
    }
  };
  int64_t low = 0, high = ends.length();
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (end_at(middle) <= wanted) low = middle + 1; else high = middle;
  }
  return low;
}

Place child_of(const arrow::UnionArray &array, int64_t row) {
  const bool is_dense = array.type_id() == Type::DENSE_UNION;
  return {array.field(array.child_id(row)).get(),
          is_dense ? static_cast<const arrow::DenseUnionArray &>(array).value_offset(row) : row};
}

}  // namespace

Place resolve(const Array &array, int64_t row) {
  Place place{&array, row};
  while (!place.array->IsNull(place.row)) {
    switch (place.array->type_id()) {
      case Type::EXTENSION:
        place.array = static_cast<const arrow::ExtensionArray &>(*place.array).storage().get();
        break;
      case Type::DICTIONARY: {
        const auto &coded = static_cast<const arrow::DictionaryArray &>(*place.array);
        place = {coded.dictionary().get(), coded.GetValueIndex(place.row)};
        break;
      }
      case Type::RUN_END_ENCODED: {
        const auto &runs = static_cast<const arrow::RunEndEncodedArray &>(*place.array);
        place = {runs.values().get(), run_of(runs, place.row)};
        break;
      }
      case Type::SPARSE_UNION: case Type::DENSE_UNION:
        place = child_of(static_cast<const arrow::UnionArray &>(*place.array), place.row);
        break;
      default: return place;
    }
  }
  return place;
}

pp_kind append_json(const Array &whole, int64_t number, Text &out) {
  out.require(0);
  const Place place = resolve(whole, number);
  const Array &array = *place.array;
  const int64_t row = place.row;
  if (array.IsNull(row)) {
    out += "null";
    return PP_NULL;
  }
  switch (array.type_id()) {
    case Type::NA: out += "null"; return PP_NULL;
    case Type::BOOL:
      out += static_cast<const arrow::BooleanArray &>(array).Value(row) ? "true" : "false";
      return PP_BOOL;
    case Type::INT8: return append_integer<arrow::Int8Array>(array, row, out);
    case Type::INT16: return append_integer<arrow::Int16Array>(array, row, out);
    case Type::INT32: return append_integer<arrow::Int32Array>(array, row, out);
    case Type::INT64: return append_integer<arrow::Int64Array>(array, row, out);
    case Type::UINT8: return append_integer<arrow::UInt8Array>(array, row, out);
    case Type::UINT16: return append_integer<arrow::UInt16Array>(array, row, out);
    case Type::UINT32: return append_integer<arrow::UInt32Array>(array, row, out);
    case Type::UINT64: return append_integer<arrow::UInt64Array>(array, row, out);
    case Type::DURATION: return append_integer<arrow::DurationArray>(array, row, out);
    case Type::HALF_FLOAT: {
      const auto bits = static_cast<const arrow::HalfFloatArray &>(array).Value(row);
      return append_real(arrow::util::Float16::FromBits(bits).ToFloat(), out);
    }
    case Type::FLOAT: return append_real(static_cast<const arrow::FloatArray &>(array).Value(row), out);
    case Type::DOUBLE: return append_real(static_cast<const arrow::DoubleArray &>(array).Value(row), out);
    case Type::DECIMAL32: return append_decimal<arrow::Decimal32Array>(array, row, out);
    case Type::DECIMAL64: return append_decimal<arrow::Decimal64Array>(array, row, out);
    case Type::DECIMAL128: return append_decimal<arrow::Decimal128Array>(array, row, out);
    case Type::DECIMAL256: return append_decimal<arrow::Decimal256Array>(array, row, out);
    case Type::STRING: case Type::LARGE_STRING: case Type::STRING_VIEW:
      return append_text(text_view(array, row), false, out);
    case Type::BINARY: case Type::LARGE_BINARY: case Type::BINARY_VIEW: case Type::FIXED_SIZE_BINARY:
      return append_text(text_view(array, row), true, out);
    case Type::DATE32: return append_day(static_cast<const arrow::Date32Array &>(array).Value(row), out);
    case Type::DATE64:
      return append_day(floor_divide(static_cast<const arrow::Date64Array &>(array).Value(row), 86400000), out);
    case Type::TIMESTAMP:
      return append_moment(
          static_cast<const arrow::TimestampArray &>(array).Value(row),
          static_cast<const arrow::TimestampType &>(*array.type()), out);
    case Type::TIME32: return append_time_of_day<arrow::Time32Array>(array, row, out);
    case Type::TIME64: return append_time_of_day<arrow::Time64Array>(array, row, out);
    case Type::INTERVAL_MONTHS: case Type::INTERVAL_DAY_TIME: case Type::INTERVAL_MONTH_DAY_NANO:
      return append_interval(array, row, out);
    case Type::LIST: return append_list<arrow::ListArray>(array, row, out);
    case Type::LARGE_LIST: return append_list<arrow::LargeListArray>(array, row, out);
    case Type::FIXED_SIZE_LIST: return append_list<arrow::FixedSizeListArray>(array, row, out);
    case Type::LIST_VIEW: return append_list<arrow::ListViewArray>(array, row, out);
    case Type::LARGE_LIST_VIEW: return append_list<arrow::LargeListViewArray>(array, row, out);
    case Type::STRUCT: return append_struct(static_cast<const arrow::StructArray &>(array), row, out);
    case Type::MAP: return append_map(static_cast<const arrow::MapArray &>(array), row, out);
    default: throw std::runtime_error("values of the type " + array.type()->ToString() + " cannot be read");
  }
}

void require_shallow(const arrow::DataType &type, int depth) {
  if (depth > 100) throw std::runtime_error("a column is nested more than 100 deep");
  for (const auto &field : type.fields()) require_shallow(*field->type(), depth + 1);
  if (type.id() == Type::DICTIONARY) {
    require_shallow(*static_cast<const arrow::DictionaryType &>(type).value_type(), depth + 1);
  }
  if (type.id() == Type::EXTENSION) {
    require_shallow(*static_cast<const arrow::ExtensionType &>(type).storage_type(), depth + 1);
  }
}

}  // namespace pipeline

// The strict grammar of RFC 8259 for values that simdjson's on-demand parser only skips over.
#ifndef GRAMMAR_H
#define GRAMMAR_H
#include <string_view>

/// Values nested deeper than this are rejected, as in ShardKit's JSONValue.
enum { maximum_json_depth = 128 };

/// Whether `text` is one JSON value, with optional surrounding whitespace. The caller has checked its UTF-8. Linear, no
/// recursion.
bool is_json_value(std::string_view text);

/// The maximum number of members of all open objects together.
enum { maximum_json_members = 1 << 20 };

/// The same for one object, whose keys are compared at every depth. Keys that are equal when unescaped count as
/// repeated.
enum json_object_state { unique_keys = 0, repeated_keys = 1, no_json_object = 2, too_many_members = 3 };
json_object_state judge_json_object(std::string_view text);

#endif

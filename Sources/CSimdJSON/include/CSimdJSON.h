// A C interface to simdjson's on-demand parser: one JSON object at a time, its top-level fields as slices.
#ifndef CSIMDJSON_H
#define CSIMDJSON_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/// Bytes that must be readable after the end of every buffer given to the parser.
enum { PL_JSON_PADDING = 64 };

/// Maximum number of members of an object; more would take gigabytes of memory.
enum { PL_JSON_MEMBERS = 1 << 20 };

typedef enum {
  PL_JSON_STRING = 0,  // value: unescaped UTF-8
  PL_JSON_NUMBER = 1,  // value: the token as written
  PL_JSON_BOOL = 2,
  PL_JSON_NULL = 3,
  PL_JSON_OBJECT = 4,  // value: the raw JSON
  PL_JSON_ARRAY = 5,
} pl_json_kind;

typedef struct {
  const char *_Nullable key;
  size_t key_length;
  const char *_Nullable value;
  size_t value_length;
  int32_t kind;
} pl_json_field;

typedef struct pl_json_parser pl_json_parser;

/// Null only if there is no memory.
pl_json_parser *_Nullable pl_json_parser_new(void);
void pl_json_parser_free(pl_json_parser *_Nullable parser);

/// Parses one JSON object of `length` bytes; `length + PL_JSON_PADDING` bytes must be readable.
/// Writes at most `capacity` fields; slices are valid until the next call on this parser or until the input is freed.
/// Returns the number of fields, or -1 - code on malformed input (`pl_json_message` gives the message of a code).
int pl_json_object(pl_json_parser *_Nonnull parser, const char *_Nonnull json, size_t length,
                   pl_json_field *_Nonnull fields, int capacity);

const char *_Nonnull pl_json_message(int result);

/// A field of an object did not fit into `capacity`.
int pl_json_is_full(int result);

/// simdjson's code that finds the structure of objects: "icelake", "haswell", "westmere", "arm64", … or "fallback", which
/// runs everywhere and is used with PIPELINE_SIMD=portable. All give the same fields.
const char *_Nonnull pl_json_implementation(void);

/// Whether the bytes are UTF-8. Vectorized.
int pl_is_utf8(const char *_Nullable bytes, size_t length);

/// 0 for a JSON object without repeated keys at every depth; 1 if keys are repeated; 2 for anything else; 3 if open
/// objects have more than PL_JSON_MEMBERS members together. The UTF-8 of its strings is not checked.
int pl_json_keys(const char *_Nullable json, size_t length);

/// Whether the bytes are one JSON value. The UTF-8 of its strings is not checked.
int pl_is_json(const char *_Nullable json, size_t length);

#ifdef __cplusplus
}
#endif
#endif

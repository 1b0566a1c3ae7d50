// The Parquet library's interface: a table of C functions over Apache Arrow's C++ library, found in
// `libpipelineparquet.so`.
//
// For every function that returns `int`: 0 is success; anything else is a failure whose message `last_error` returns
// for the calling thread. No exceptions cross the interface. Data crosses it in blocks of rows. A handle is used by one
// thread at a time.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Increased with every change of this header; the loader rejects any other version.
#define PIPELINE_PARQUET_ABI 3

typedef struct pp_file pp_file;      // a file that is read
typedef struct pp_rows pp_rows;      // the rows of some of its row groups
typedef struct pp_writer pp_writer;  // a file that is written

// What a value is. PP_OTHER: a number that is not finite, a list or an object, as JSON.
enum pp_kind { PP_NULL = 0, PP_STRING = 1, PP_NUMBER = 2, PP_BOOL = 3, PP_OTHER = 4 };

// One value per row: row i has bytes[offsets[i] ..< offsets[i + 1]]. Strings are as they are in the file, which may not
// be UTF-8; every other kind is JSON.
typedef struct {
  const int64_t *offsets;
  const uint8_t *bytes;
  const uint8_t *kinds;
} pp_values;

// Rows in columnar form; valid until the next call with the same `pp_rows`.
typedef struct {
  int64_t rows;              // 0: the end
  const pp_values *columns;  // one per path of the request
  pp_values rest;            // an object per row; PIPELINE_PARQUET_PADDING bytes behind the last one are readable
} pp_block;

#define PIPELINE_PARQUET_PADDING 64

// What to read. Names are UTF-8 and end with a NUL.
typedef struct {
  const int32_t *groups;     // row groups, in order
  size_t group_count;
  const char *const *paths;  // columns that are given on their own; each key of a path is followed by \x1f but the last
  size_t path_count;
  const int32_t *rest;       // numbers of the top-level columns that are given as one object per row
  size_t rest_count;
  int64_t block_bytes;       // a block ends behind the row with which it has so many bytes
  int64_t row_bytes;         // a row with more bytes is a failure
} pp_request;

// The type of a column that is written. A column of PP_LONG_TEXT may have more than 2 GiB.
enum pp_type { PP_TEXT = 0, PP_INTEGER = 1, PP_DOUBLE = 2, PP_TRUTH = 3, PP_LIST = 4, PP_STRUCT = 5, PP_LONG_TEXT = 6 };

typedef struct pp_field {
  const char *name;
  int32_t type;
  bool dictionary;               // for text with few distinct values
  const struct pp_field *fields;  // of a struct; the element of a list
  size_t field_count;
} pp_field;

// Values of a field. `valid` is a byte per value, or NULL: all are. Text and lists have `length + 1` offsets.
typedef struct pp_array {
  int64_t length;
  const uint8_t *valid;
  const int64_t *offsets;
  const void *values;              // int64_t, double, a byte per truth value, or the bytes of text
  const struct pp_array *children;  // as in `pp_field`
} pp_array;

typedef struct {
  int32_t level;                 // of zstd
  bool content_defined_chunks;
} pp_write_options;

// Receives bytes in order; returns false if it cannot take them.
typedef bool (*pp_sink)(void *context, const uint8_t *bytes, int64_t count);

typedef struct {
  uint32_t abi;
  const char *(*last_error)(void);
  const char *(*version)(void);  // of Arrow, such as 26.0.1

  // Opens a Parquet file, or an Arrow IPC file or stream. `memory` bounds what the library allocates for it.
  int (*open)(const char *path, int64_t memory, pp_file **out);
  void (*close)(pp_file *);
  // {"format", "columns": [{"name", "type"}], "groups": [{"rows", "bytes"}]}; valid until `close`. A stream's row groups
  // are not known: null.
  const char *(*description)(const pp_file *);
  // [{"min", "max"}]: bounds of a column's values in each row group, null where they are not known; NULL for a damaged
  // file. The path is as in `pp_request`; the text is valid until the next call.
  const char *(*statistics)(pp_file *, const char *path);
  int (*read)(pp_file *, const pp_request *, pp_rows **out);
  int (*next)(pp_rows *, pp_block *out);
  void (*end)(pp_rows *);

  // Reads an Arrow IPC stream in memory, which has to stay. The request has paths alone, and a column that is none of
  // them is a failure.
  int (*read_stream)(const uint8_t *bytes, int64_t count, int64_t memory, const pp_request *, pp_rows **out);
  // Writes rows as an Arrow IPC stream of one record batch.
  int (*write_stream)(const pp_field *fields, size_t count, const pp_array *columns, int64_t rows, pp_sink, void *context);

  int (*create)(const pp_field *fields, size_t count, pp_write_options, pp_sink, void *context, pp_writer **out);
  int (*write)(pp_writer *, const pp_array *columns, int64_t rows);  // the arrays may go away afterwards
  int (*new_group)(pp_writer *);                                     // further rows start a row group
  int (*finish)(pp_writer *);
  void (*free_writer)(pp_writer *);
} pp_library;

// Loads the library; NULL and a message in `problem` if it does not load or was built for another version of pipeline.
const pp_library *pipeline_parquet_open(const char *path, char *problem, size_t capacity);

// What `libpipelineparquet.so` exports; NULL for another version of this interface.
const pp_library *pipeline_parquet_library(uint32_t abi);

#ifdef __cplusplus
}
#endif

// Reading: Parquet files, and Arrow IPC files and streams, as blocks of rows.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/extension_type.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/size_statistics.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "boundary.h"
#include "json.h"

using arrow::Array;
using arrow::RecordBatch;
using arrow::Type;
using pipeline::check;
using pipeline::value;

namespace {
constexpr int64_t stream_buffer = 1 << 20;
constexpr int64_t most_rows = 4096;
constexpr int most_columns = 16384;
enum class Format { parquet, ipc_file, ipc_stream };

// What the library allocates for one file, bounded.
class Memory : public arrow::ProxyMemoryPool {
 public:
  explicit Memory(int64_t limit) : ProxyMemoryPool(arrow::default_memory_pool()), limit(limit) {}
  using MemoryPool::Allocate;
  using MemoryPool::Free;
  using MemoryPool::Reallocate;
  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t **out) override {
    ARROW_RETURN_NOT_OK(admit(size));
    return ProxyMemoryPool::Allocate(size, alignment, out);
  }
  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t **pointer) override {
    ARROW_RETURN_NOT_OK(admit(new_size - old_size));
    return ProxyMemoryPool::Reallocate(old_size, new_size, alignment, pointer);
  }
  const int64_t limit;

 private:
  arrow::Status admit(int64_t more) const {
    if (more <= limit - bytes_allocated()) return arrow::Status::OK();
    return arrow::Status::OutOfMemory("it needs more than ", limit, " bytes of memory at once");
  }
};

// Arrow's own threads may give memory back a moment after a file is closed, so that what they give it to is never
// destroyed: it serves the next file, once it has everything back.
class Memories {
 public:
  Memory &take(int64_t limit) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto &memory : idle_) {
      if (memory->limit == limit && memory->bytes_allocated() == 0) {
        auto *taken = memory;
        memory = idle_.back();
        idle_.pop_back();
        return *taken;
      }
    }
    return *new Memory(limit);
  }
  void give_back(Memory &memory) {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(&memory);
  }
  static Memories &all() {
    static auto *memories = new Memories;
    return *memories;
  }

 private:
  std::mutex mutex_;
  std::vector<Memory *> idle_;
};

struct Loan {
  explicit Loan(int64_t limit) : memory(Memories::all().take(limit)) {}
  Loan(const Loan &) = delete;
  ~Loan() { Memories::all().give_back(memory); }
  Memory &memory;
};
}  // namespace

struct pp_file {
  explicit pp_file(int64_t limit) : loan(limit) {}
  Loan loan;  // outlives what is read
  arrow::MemoryPool *pool() const { return &loan.memory; }
  std::string path;
  std::shared_ptr<arrow::Buffer> bytes;  // instead of what the path leads to
  Format format = Format::parquet;
  std::unique_ptr<parquet::arrow::FileReader> reader;
  std::shared_ptr<arrow::Schema> schema;
  std::string description, statistics;
};

namespace {

// MARK: Opening

Format detect(arrow::io::RandomAccessFile &file) {
  std::array<char, 8> head{};
  const int64_t count = value(file.ReadAt(0, head.size(), head.data()));
  check(file.Seek(0));
  const std::string_view start(head.data(), static_cast<size_t>(count));
  if (start.starts_with("PAR1")) return Format::parquet;
  if (start.starts_with("PARE")) throw std::runtime_error("its footer is encrypted");
  if (start.starts_with("ARROW1")) return Format::ipc_file;
  if (start.starts_with("\xFF\xFF\xFF\xFF")) return Format::ipc_stream;
  throw std::runtime_error("it is neither Parquet nor Arrow IPC");
}

void open_parquet(pp_file &file, std::shared_ptr<arrow::io::RandomAccessFile> input) {
  parquet::ReaderProperties properties(file.pool());
  properties.enable_buffered_stream();  // a page at a time instead of a column chunk
  properties.set_buffer_size(stream_buffer);
  properties.set_page_checksum_verification(true);
  parquet::ArrowReaderProperties reading(false);
  reading.set_pre_buffer(false);
  parquet::arrow::FileReaderBuilder builder;
  check(builder.Open(std::move(input), properties));
  builder.memory_pool(file.pool())->properties(reading);
  check(builder.Build(&file.reader));
  check(file.reader->GetSchema(&file.schema));
}

arrow::ipc::IpcReadOptions ipc_options(pp_file &file) {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = file.pool();
  options.use_threads = false;
  options.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
  return options;
}

std::shared_ptr<arrow::io::RandomAccessFile> input(pp_file &file) {
  if (file.bytes) return std::make_shared<arrow::io::BufferReader>(file.bytes);
  return value(arrow::io::ReadableFile::Open(file.path, file.pool()));
}

void open(pp_file &file) {
  auto source = input(file);
  file.format = detect(*source);
  switch (file.format) {
    case Format::parquet: open_parquet(file, source); break;
    case Format::ipc_file:
      file.schema = value(arrow::ipc::RecordBatchFileReader::Open(source, ipc_options(file)))->schema();
      break;
    case Format::ipc_stream:
      file.schema = value(arrow::ipc::RecordBatchStreamReader::Open(source, ipc_options(file)))->schema();
      break;
  }
  if (file.schema->num_fields() > most_columns) {
    throw std::runtime_error("it has more than " + std::to_string(most_columns) + " columns");
  }
  for (const auto &field : file.schema->fields()) pipeline::require_shallow(*field->type());
}

// MARK: Describing

std::string printable(std::string text) {
  for (char &letter : text) {
    if (static_cast<unsigned char>(letter) < 0x20) letter = ' ';
  }
  return text;
}

void describe_groups(const parquet::FileMetaData &metadata, std::string &out) {
  out += '[';
  for (int i = 0; i < metadata.num_row_groups(); i++) {
    const auto group = metadata.RowGroup(i);
    const int64_t rows = std::max<int64_t>(0, group->num_rows());
    int64_t bytes = group->total_compressed_size();
    if (bytes <= 0) bytes = std::max<int64_t>(0, group->total_byte_size());
    if (i > 0) out += ',';
    out += "{\"rows\":" + std::to_string(rows) + ",\"bytes\":" + std::to_string(bytes) + '}';
  }
  out += ']';
}

void describe(pp_file &file) {
  auto &out = file.description;
  out = file.format == Format::parquet ? "{\"format\":\"parquet\",\"columns\":[" : "{\"format\":\"arrow\",\"columns\":[";
  for (int i = 0; i < file.schema->num_fields(); i++) {
    const auto &field = *file.schema->field(i);
    if (i > 0) out += ',';
    out += "{\"name\":";
    pipeline::append_string(field.name(), out);
    out += ",\"type\":";
    pipeline::append_string(printable(field.type()->ToString().substr(0, 200)), out);
    out += '}';
  }
  out += "],\"groups\":";
  if (file.format == Format::parquet) {
    describe_groups(*file.reader->parquet_reader()->metadata(), out);
  } else {
    out += "null";
  }
  out += '}';
}

// MARK: Choosing columns

// A column that is given on its own.
struct Path {
  std::vector<std::string> keys;
  int top = -1;       // number of its top-level column in the file; -1: there is none
  int position = -1;  // in the batches
};

std::vector<std::string> split(const char *path) {
  std::vector<std::string> keys(1);
  for (; *path; path++) {
    if (*path == '\x1f') keys.emplace_back(); else keys.back() += *path;
  }
  return keys;
}

int find(const arrow::Schema &schema, const std::string &name) {
  for (int i = 0; i < schema.num_fields(); i++) {
    if (schema.field(i)->name() == name) return i;
  }
  return -1;
}

void add_leaves(const parquet::arrow::SchemaField &field, std::vector<int> &out) {
  if (field.is_leaf()) out.push_back(field.column_index);
  for (const auto &child : field.children) add_leaves(child, out);
}

// Leaves below a path; a path that leads nowhere has those where it ends.
void add_leaves(const parquet::arrow::SchemaField &field, const std::vector<std::string> &keys, size_t at,
                std::vector<int> &out) {
  if (at < keys.size() && field.field->type()->id() == Type::STRUCT) {
    for (const auto &child : field.children) {
      if (child.field->name() == keys[at]) return add_leaves(child, keys, at + 1, out);
    }
  }
  add_leaves(field, out);
}

}  // namespace

// The rows of a request.
struct pp_rows {
  std::unique_ptr<pp_file> own;  // of a stream in memory
  pp_file &file;
  std::vector<Path> paths;
  std::vector<int> rest;              // positions in the batches
  std::vector<std::string> names;     // of `rest`, as JSON with a colon
  const int64_t block_bytes, row_bytes;
  std::vector<int> groups, leaves;                    // of Parquet
  int64_t batch_rows = most_rows, rows_decoded = 0, rows_read = 0;
  std::shared_ptr<arrow::RecordBatchReader> batches;  // of Parquet and of a stream
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> ipc;
  int next_batch = 0;
  std::shared_ptr<RecordBatch> batch;  // given in blocks
  int64_t at = 0, rows_given = 0;

  struct Values {
    std::shared_ptr<Array> array;  // null: the column is absent
    bool is_pointed = false;       // its bytes are Arrow's
    std::vector<int64_t> offsets;
    std::vector<uint8_t> kinds;
    pipeline::Text bytes;
    int64_t size(int64_t row) const { return offsets[row + 1] - offsets[row]; }
  };
  std::vector<Values> values;
  std::vector<pp_values> columns;
  std::vector<std::shared_ptr<Array>> members;
  Values objects;

  pp_rows(pp_file &file, const pp_request &request)
      : file(file), block_bytes(std::max<int64_t>(1, request.block_bytes)),
        row_bytes(std::max<int64_t>(1, request.row_bytes)) {
    std::vector<int> tops(request.rest, request.rest + request.rest_count);
    for (const int top : tops) {
      if (top < 0 || top >= file.schema->num_fields()) throw std::runtime_error("there is no such column");
    }
    for (size_t i = 0; i < request.path_count; i++) {
      paths.push_back({split(request.paths[i])});
      paths.back().top = find(*file.schema, paths.back().keys[0]);
      if (paths.back().top >= 0) tops.push_back(paths.back().top);
    }
    std::sort(tops.begin(), tops.end());
    tops.erase(std::unique(tops.begin(), tops.end()), tops.end());
    auto position = [&](int top) {
      return static_cast<int>(std::lower_bound(tops.begin(), tops.end(), top) - tops.begin());
    };
    for (auto &path : paths) {
      if (path.top >= 0) path.position = position(path.top);
    }
    for (size_t i = 0; i < request.rest_count; i++) {
      rest.push_back(position(request.rest[i]));
      names.emplace_back();
      pipeline::append_string(file.schema->field(request.rest[i])->name(), names.back());
      names.back() += ':';
    }
    values.resize(paths.size());
    columns.resize(paths.size());
    start(request, tops);
  }

  // MARK: Batches

  void start(const pp_request &request, const std::vector<int> &tops) {
    if (file.format == Format::parquet) return start_parquet(request, tops);
    auto options = pipeline_options(tops);
    auto source = input(file);
    if (file.format == Format::ipc_file) {
      ipc = value(arrow::ipc::RecordBatchFileReader::Open(source, options));
    } else {
      batches = value(arrow::ipc::RecordBatchStreamReader::Open(source, options));
    }
  }

  arrow::ipc::IpcReadOptions pipeline_options(const std::vector<int> &tops) {
    auto options = ipc_options(file);
    options.included_fields = tops;
    // An empty list would mean all columns.
    if (tops.empty() && file.schema->num_fields() > 0) options.included_fields = {0};
    return options;
  }

  void start_parquet(const pp_request &request, const std::vector<int> &tops) {
    const auto &fields = file.reader->manifest().schema_fields;
    for (size_t i = 0; i < request.rest_count; i++) add_leaves(fields.at(request.rest[i]), leaves);
    for (const auto &path : paths) {
      const bool is_whole = std::find(request.rest, request.rest + request.rest_count, path.top) !=
                            request.rest + request.rest_count;
      if (path.top >= 0 && !is_whole) add_leaves(fields.at(path.top), path.keys, 1, leaves);
    }
    std::sort(leaves.begin(), leaves.end());
    leaves.erase(std::unique(leaves.begin(), leaves.end()), leaves.end());
    groups.assign(request.groups, request.groups + request.group_count);
    batch_rows = rows_of_block();
    start_groups();
    if (batches->schema()->num_fields() != static_cast<int>(tops.size())) {
      throw std::runtime_error("its columns cannot be told apart");
    }
  }

  void start_groups() {
    file.reader->set_batch_size(batch_rows);
    batches = value(file.reader->GetRecordBatchReader(groups, leaves));
    rows_decoded = 0;
  }

  // Bytes of a column chunk; a text that a dictionary has once counts as often as it occurs, where that is known.
  static double bytes_of(const parquet::ColumnChunkMetaData &chunk) {
    const auto bytes = static_cast<double>(std::max<int64_t>(0, chunk.total_uncompressed_size()));
    const auto sizes = chunk.size_statistics();
    if (!sizes || !sizes->unencoded_byte_array_data_bytes) return bytes;
    return std::max(bytes, static_cast<double>(*sizes->unencoded_byte_array_data_bytes));
  }

  int64_t rows_of_block() {
    const auto metadata = file.reader->parquet_reader()->metadata();
    double bytes = 0, rows = 0;
    for (const int group : groups) {
      if (group < 0 || group >= metadata->num_row_groups()) throw std::runtime_error("there is no such row group");
      const auto described = metadata->RowGroup(group);
      rows += static_cast<double>(std::max<int64_t>(0, described->num_rows()));
      for (const int leaf : leaves) bytes += bytes_of(*described->ColumnChunk(leaf));
    }
    const double wanted = bytes > 0 ? static_cast<double>(block_bytes) * rows / bytes : most_rows;
    return std::clamp<int64_t>(static_cast<int64_t>(std::min<double>(wanted, most_rows)), 1, most_rows);
  }

  std::shared_ptr<RecordBatch> read_batch() {
    if (file.format == Format::parquet) return read_rows();
    if (!ipc) return value(batches->Next());
    if (next_batch >= ipc->num_record_batches()) return nullptr;
    return value(ipc->ReadRecordBatch(next_batch++));
  }

  // What decoded values need is not known before: a page can have a long text once and many references to it. If they
  // need too much, fewer rows are decoded at once, from the beginning; those that were read are passed over.
  std::shared_ptr<RecordBatch> read_rows() {
    while (true) {
      auto next = batches->Next();
      if (next.status().IsOutOfMemory() && batch_rows > 1) {
        batch_rows = std::max<int64_t>(1, batch_rows / 16);
        batches.reset();
        start_groups();
        continue;
      }
      const auto found = value(std::move(next));
      if (!found) return nullptr;
      rows_decoded += found->num_rows();
      const int64_t more = std::min(rows_decoded - rows_read, found->num_rows());
      if (more <= 0) continue;
      rows_read = rows_decoded;
      return found->Slice(found->num_rows() - more);
    }
  }

  bool advance() {
    while (!batch || at >= batch->num_rows()) {
      release();
      batch = read_batch();
      at = 0;
      if (!batch) return false;
      if (file.format != Format::parquet) check(batch->ValidateFull());  // IPC is taken as it is
      for (size_t i = 0; i < paths.size(); i++) {
        if (paths[i].position >= 0) values[i].array = batch->column(paths[i].position);
      }
      for (const int position : rest) members.push_back(batch->column(position));
    }
    return true;
  }

  void release() {
    for (auto &own : values) own.array.reset();
    members.clear();
    batch.reset();
  }

  // MARK: Blocks

  // Text as it lies in memory.
  template <class Text>
  bool point(Values &own, pp_values &out) {
    const auto &text = static_cast<const Text &>(*own.array);
    const int64_t rows = std::min(most_rows, text.length() - at);
    const auto *offsets = text.raw_value_offsets() + at;
    own.offsets.assign(offsets, offsets + rows + 1);
    own.kinds.assign(static_cast<size_t>(rows), PP_STRING);
    for (int64_t i = 0; text.null_count() > 0 && i < rows; i++) {
      if (text.IsNull(at + i)) own.kinds[i] = PP_NULL;
    }
    out = {own.offsets.data(), text.raw_data(), own.kinds.data()};
    return true;
  }

  bool point(Values &own, pp_values &out) {
    switch (own.array->type_id()) {
      case Type::STRING: case Type::BINARY: return point<arrow::BinaryArray>(own, out);
      case Type::LARGE_STRING: case Type::LARGE_BINARY: return point<arrow::LargeBinaryArray>(own, out);
      default: return false;
    }
  }

  static void append(const Array &array, int64_t row, const std::vector<std::string> &keys, size_t depth, Values &out) {
    const auto place = pipeline::resolve(array, row);
    if (place.array->IsNull(place.row)) return out.kinds.push_back(PP_NULL);
    if (depth == keys.size()) {
      if (!pipeline::is_text(*place.array)) {
        const auto kind = pipeline::append_json(*place.array, place.row, out.bytes);
        return out.kinds.push_back(kind);
      }
      const auto text = pipeline::text_view(*place.array, place.row);
      out.bytes.require(text.size());
      out.bytes += text;
      return out.kinds.push_back(PP_STRING);
    }
    if (place.array->type_id() != Type::STRUCT) return out.kinds.push_back(PP_NULL);
    const auto &object = static_cast<const arrow::StructArray &>(*place.array);
    const int child = object.struct_type()->GetFieldIndex(keys[depth]);
    if (child < 0) return out.kinds.push_back(PP_NULL);
    append(*object.field(child), place.row, keys, depth + 1, out);
  }

  void append_object(int64_t row, Values &out) {
    out.bytes += '{';
    for (size_t i = 0; i < members.size(); i++) {
      if (i > 0) out.bytes += ',';
      out.bytes += names[i];
      pipeline::append_json(*members[i], row, out.bytes);
    }
    out.bytes += '}';
    out.kinds.push_back(PP_OTHER);
  }

  static void clear(Values &own) {
    own.is_pointed = false;
    own.offsets.assign(1, 0);
    own.kinds.clear();
    own.bytes.clear();
  }

  // Appends a value with at most so many bytes; returns how many it has.
  template <class Append>
  static int64_t grow(Values &own, int64_t most, Append &&append) {
    const size_t start = own.bytes.size();
    own.bytes.most = start + static_cast<size_t>(std::max<int64_t>(0, most));
    append();
    own.offsets.push_back(static_cast<int64_t>(own.bytes.size()));
    return static_cast<int64_t>(own.bytes.size() - start);
  }

  // Appends a row of the batch to the block; returns its bytes.
  int64_t expand(int64_t row) {
    int64_t bytes = 0;
    for (size_t i = 0; i < values.size(); i++) {
      auto &own = values[i];
      bytes += own.is_pointed ? own.size(row) : grow(own, row_bytes - bytes, [&] {
        if (own.array) append(*own.array, at + row, paths[i].keys, 1, own); else own.kinds.push_back(PP_NULL);
      });
    }
    bytes += grow(objects, row_bytes - bytes, [&] { append_object(at + row, objects); });
    if (bytes > row_bytes) throw pipeline::TooLarge();
    return bytes;
  }

  // Makes a block; returns the number of its rows.
  int64_t expand() {
    int64_t rows = 0, bytes = 0;
    const int64_t most = std::min(most_rows, batch->num_rows() - at);
    try {
      for (; rows < most && bytes < block_bytes; rows++) bytes += expand(rows);
    } catch (const pipeline::TooLarge &) {
      throw std::runtime_error("row " + std::to_string(rows_given + rows + 1) + " of those that are read has more than "
                               + std::to_string(row_bytes) + " bytes");
    }
    return rows;
  }

  void next(pp_block &out) {
    out = {};
    if (!advance()) return;
    for (size_t i = 0; i < values.size(); i++) {
      clear(values[i]);
      values[i].is_pointed = values[i].array && paths[i].keys.size() == 1 && point(values[i], columns[i]);
    }
    clear(objects);
    out.rows = expand();
    at += out.rows;
    rows_given += out.rows;
    objects.bytes.append(PIPELINE_PARQUET_PADDING, ' ');
    for (size_t i = 0; i < values.size(); i++) {
      if (!values[i].is_pointed) columns[i] = as_values(values[i]);
    }
    out.columns = columns.data();
    out.rest = as_values(objects);
  }

  static pp_values as_values(const Values &own) {
    return {own.offsets.data(), reinterpret_cast<const uint8_t *>(own.bytes.data()), own.kinds.data()};
  }
};

// MARK: Streams in memory

namespace {

std::unique_ptr<pp_rows> read_stream(std::shared_ptr<arrow::Buffer> bytes, int64_t memory, const pp_request &request) {
  auto file = std::make_unique<pp_file>(memory);
  file->bytes = std::move(bytes);
  open(*file);
  if (file->format != Format::ipc_stream) throw std::runtime_error("it is no Arrow IPC stream");
  auto rows = std::make_unique<pp_rows>(*file, request);
  for (const auto &field : file->schema->fields()) {
    const bool is_known = std::any_of(rows->paths.begin(), rows->paths.end(), [&](const Path &path) {
      return path.keys[0] == field->name();
    });
    if (!is_known) throw std::runtime_error("it has an unknown column '" + printable(field->name().substr(0, 60)) + "'");
  }
  rows->own = std::move(file);
  return rows;
}

// MARK: Statistics

// The leaf that a path leads to through structures; null if there is none, or several values per row.
const parquet::arrow::SchemaField *leaf(const pp_file &file, const std::vector<std::string> &keys) {
  const auto *fields = &file.reader->manifest().schema_fields;
  const parquet::arrow::SchemaField *found = nullptr;
  for (const auto &key : keys) {
    found = nullptr;
    for (const auto &field : *fields) {
      if (field.field->name() == key && !found) found = &field;
    }
    if (!found || (!found->is_leaf() && found->field->type()->id() != Type::STRUCT)) return nullptr;
    fields = &found->children;
  }
  return found && found->is_leaf() && found->level_info.rep_level == 0 ? found : nullptr;
}

template <class Numbers>
bool append_bounds(const parquet::Statistics &statistics, std::string &out) {
  const auto &typed = static_cast<const parquet::TypedStatistics<Numbers> &>(statistics);
  char room[64];
  auto append = [&](auto number) { out.append(room, std::to_chars(room, room + sizeof room, number).ptr); };
  if (!(typed.min() <= typed.max())) return false;
  if constexpr (std::is_floating_point_v<typename Numbers::c_type>) {
    if (!std::isfinite(typed.min()) || !std::isfinite(typed.max())) return false;
  }
  out += "\"min\":";
  append(typed.min());
  out += ",\"max\":";
  append(typed.max());
  return true;
}

// Integers with a sign, real numbers and text; what other types mean is not known to who asks.
bool append_bounds(const parquet::Statistics &statistics, const arrow::DataType &type, std::string &out) {
  switch (type.id()) {
    case Type::INT8: case Type::INT16: case Type::INT32: return append_bounds<parquet::Int32Type>(statistics, out);
    case Type::INT64: return append_bounds<parquet::Int64Type>(statistics, out);
    case Type::FLOAT: return append_bounds<parquet::FloatType>(statistics, out);
    case Type::DOUBLE: return append_bounds<parquet::DoubleType>(statistics, out);
    case Type::STRING: case Type::LARGE_STRING: {
      const auto &typed = static_cast<const parquet::TypedStatistics<parquet::ByteArrayType> &>(statistics);
      const std::string_view least(typed.min()), most(typed.max());
      out += "\"min\":";
      pipeline::append_string(least, out);
      out += ",\"max\":";
      pipeline::append_string(most, out);
      return true;
    }
    default: return false;
  }
}

void describe_bounds(pp_file &file, const char *path) {
  auto &out = file.statistics;
  out = "[";
  const auto metadata = file.format == Format::parquet ? file.reader->parquet_reader()->metadata() : nullptr;
  const auto *column = metadata ? leaf(file, split(path)) : nullptr;
  for (int i = 0; metadata && i < metadata->num_row_groups(); i++) {
    if (i > 0) out += ',';
    const size_t start = out.size();
    out += '{';
    const auto chunk = column ? metadata->RowGroup(i)->ColumnChunk(column->column_index) : nullptr;
    const auto statistics = chunk && chunk->is_stats_set() ? chunk->statistics() : nullptr;
    if (statistics && statistics->HasMinMax() && append_bounds(*statistics, *column->field->type(), out)) {
      out += '}';
    } else {
      out.resize(start);
      out += "null";
    }
  }
  out += ']';
}

}  // namespace

void pipeline::add_reading(pp_library &library) {
  library.open = [](const char *path, int64_t memory, pp_file **out) {
    return guarded([&] {
      auto file = std::make_unique<pp_file>(memory);
      file->path = path;
      ::open(*file);
      describe(*file);
      *out = file.release();
    });
  };
  library.close = [](pp_file *file) { delete file; };
  library.description = [](const pp_file *file) { return file->description.c_str(); };
  library.statistics = [](pp_file *file, const char *path) -> const char * {
    return guarded([&] { describe_bounds(*file, path); }) ? nullptr : file->statistics.c_str();
  };
  library.read = [](pp_file *file, const pp_request *request, pp_rows **out) {
    return guarded([&] { *out = new pp_rows(*file, *request); });
  };
  library.read_stream = [](const uint8_t *bytes, int64_t count, int64_t memory, const pp_request *request,
                           pp_rows **out) {
    return guarded([&] {
      *out = read_stream(std::make_shared<arrow::Buffer>(bytes, count), memory, *request).release();
    });
  };
  library.next = [](pp_rows *rows, pp_block *out) { return guarded([&] { rows->next(*out); }); };
  library.end = [](pp_rows *rows) { delete rows; };
}

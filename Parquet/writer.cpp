// Writing: rows in blocks of columns to a Parquet file, or as an Arrow IPC stream.
#include <arrow/array.h>
#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include <limits>
#include <memory>
#include <vector>

#include "boundary.h"

using arrow::ArrayData;
using arrow::Buffer;
using pipeline::check;
using pipeline::value;

namespace {

// The program's sink as a stream of Arrow.
class Sink : public arrow::io::OutputStream {
 public:
  Sink(pp_sink write, void *context) : write_(write), context_(context) {}
  arrow::Status Write(const void *data, int64_t count) override {
    if (!write_(context_, static_cast<const uint8_t *>(data), count)) return arrow::Status::IOError("cannot be written");
    position_ += count;
    return arrow::Status::OK();
  }
  using arrow::io::OutputStream::Write;
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }

 private:
  pp_sink write_;
  void *context_;
  int64_t position_ = 0;
  bool closed_ = false;
};

std::shared_ptr<arrow::Field> field_of(const pp_field &field);

std::shared_ptr<arrow::DataType> type_of(const pp_field &field) {
  switch (field.type) {
    case PP_TEXT: return arrow::utf8();
    case PP_LONG_TEXT: return arrow::large_utf8();
    case PP_INTEGER: return arrow::int64();
    case PP_DOUBLE: return arrow::float64();
    case PP_TRUTH: return arrow::boolean();
    case PP_LIST:
      if (field.field_count != 1) throw std::runtime_error("a list has one type of elements");
      return arrow::list(field_of(field.fields[0]));
    case PP_STRUCT: {
      arrow::FieldVector fields;
      for (size_t i = 0; i < field.field_count; i++) fields.push_back(field_of(field.fields[i]));
      return arrow::struct_(std::move(fields));
    }
    default: throw std::runtime_error("there is no such type");
  }
}

std::shared_ptr<arrow::Field> field_of(const pp_field &field) { return arrow::field(field.name, type_of(field)); }

// The program's arrays as Arrow's. Buffers that Arrow needs in another form are copied.
struct Import {
  static std::shared_ptr<Buffer> bits(const uint8_t *bytes, int64_t count) {
    std::shared_ptr<Buffer> buffer = value(arrow::AllocateBuffer(arrow::bit_util::BytesForBits(count)));
    uint8_t *out = buffer->mutable_data();
    std::fill(out, out + buffer->size(), 0);
    for (int64_t i = 0; i < count; i++) {
      if (bytes[i]) arrow::bit_util::SetBit(out, i);
    }
    return buffer;
  }

  static std::shared_ptr<Buffer> narrow(const int64_t *offsets, int64_t count) {
    std::shared_ptr<Buffer> buffer = value(arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(int32_t))));
    auto *out = reinterpret_cast<int32_t *>(buffer->mutable_data());
    for (int64_t i = 0; i < count; i++) {
      if (offsets[i] > std::numeric_limits<int32_t>::max()) throw std::runtime_error("a block has more than 2 GiB of text");
      out[i] = static_cast<int32_t>(offsets[i]);
    }
    return buffer;
  }

  static std::shared_ptr<Buffer> wrap(const void *bytes, int64_t count) {
    return std::make_shared<Buffer>(static_cast<const uint8_t *>(bytes), count);
  }

  static std::shared_ptr<ArrayData> array(const pp_array &array, const arrow::DataType &type) {
    const int64_t length = array.length;
    std::vector<std::shared_ptr<Buffer>> buffers = {array.valid ? bits(array.valid, length) : nullptr};
    std::vector<std::shared_ptr<ArrayData>> children;
    switch (type.id()) {
      case arrow::Type::STRING:
        buffers.push_back(narrow(array.offsets, length + 1));
        buffers.push_back(wrap(array.values, array.offsets[length]));
        break;
      case arrow::Type::LARGE_STRING:
        buffers.push_back(wrap(array.offsets, (length + 1) * static_cast<int64_t>(sizeof(int64_t))));
        buffers.push_back(wrap(array.values, array.offsets[length]));
        break;
      case arrow::Type::INT64: case arrow::Type::DOUBLE: buffers.push_back(wrap(array.values, length * 8)); break;
      case arrow::Type::BOOL: buffers.push_back(bits(static_cast<const uint8_t *>(array.values), length)); break;
      case arrow::Type::LIST: buffers.push_back(narrow(array.offsets, length + 1)); break;
      default: break;
    }
    for (int i = 0; i < type.num_fields(); i++) children.push_back(Import::array(array.children[i], *type.field(i)->type()));
    return ArrayData::Make(type.GetSharedPtr(), length, std::move(buffers), std::move(children));
  }
};

std::shared_ptr<arrow::Schema> schema_of(const pp_field *fields, size_t count) {
  arrow::FieldVector columns;
  for (size_t i = 0; i < count; i++) columns.push_back(field_of(fields[i]));
  return arrow::schema(std::move(columns));
}

std::shared_ptr<arrow::RecordBatch> batch_of(
    const std::shared_ptr<arrow::Schema> &schema, const pp_array *columns, int64_t rows) {
  std::vector<std::shared_ptr<ArrayData>> arrays;
  for (int i = 0; i < schema->num_fields(); i++) {
    if (columns[i].length != rows) throw std::runtime_error("a column has another number of rows");
    arrays.push_back(Import::array(columns[i], *schema->field(i)->type()));
  }
  return arrow::RecordBatch::Make(schema, rows, std::move(arrays));
}

void write_stream(const std::shared_ptr<arrow::RecordBatch> &batch, Sink &sink) {
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  const auto writer = value(arrow::ipc::MakeStreamWriter(&sink, batch->schema(), options));
  check(writer->WriteRecordBatch(*batch));
  check(writer->Close());
}

// Columns of text are long and differ in every row, so that a dictionary is only built for those that ask for one.
void choose_dictionaries(const pp_field &field, const std::string &path, parquet::WriterProperties::Builder &builder) {
  if (field.type == PP_TEXT && !field.dictionary) builder.disable_dictionary(path);
  const std::string below = field.type == PP_LIST ? path + ".list." : path + ".";
  for (size_t i = 0; i < field.field_count; i++) {
    choose_dictionaries(field.fields[i], below + field.fields[i].name, builder);
  }
}

}  // namespace

struct pp_writer {
  std::shared_ptr<arrow::Schema> schema;
  std::shared_ptr<Sink> sink;
  std::unique_ptr<parquet::arrow::FileWriter> writer;

  pp_writer(const pp_field *fields, size_t count, pp_write_options options, pp_sink write, void *context)
      : sink(std::make_shared<Sink>(write, context)) {
    parquet::WriterProperties::Builder builder;
    for (size_t i = 0; i < count; i++) choose_dictionaries(fields[i], fields[i].name, builder);
    schema = schema_of(fields, count);
    builder.compression(parquet::Compression::ZSTD)->compression_level(options.level);
    builder.enable_write_page_index()->max_row_group_length(std::numeric_limits<int64_t>::max());
    if (options.content_defined_chunks) builder.enable_content_defined_chunking();
    parquet::ArrowWriterProperties::Builder arrow_builder;
    arrow_builder.set_use_threads(false);
    writer = value(parquet::arrow::FileWriter::Open(
        *schema, arrow::default_memory_pool(), sink, builder.build(), arrow_builder.build()));
    new_group();
  }

  void new_group() { check(writer->NewBufferedRowGroup()); }

  void write(const pp_array *columns, int64_t rows) { check(writer->WriteRecordBatch(*batch_of(schema, columns, rows))); }
};

void pipeline::add_writing(pp_library &library) {
  library.write_stream = [](const pp_field *fields, size_t count, const pp_array *columns, int64_t rows, pp_sink write,
                            void *context) {
    return guarded([&] {
      Sink sink(write, context);
      ::write_stream(batch_of(schema_of(fields, count), columns, rows), sink);
    });
  };
  library.create = [](const pp_field *fields, size_t count, pp_write_options options, pp_sink sink, void *context,
                      pp_writer **out) {
    return guarded([&] { *out = new pp_writer(fields, count, options, sink, context); });
  };
  library.write = [](pp_writer *writer, const pp_array *columns, int64_t rows) {
    return guarded([&] { writer->write(columns, rows); });
  };
  library.new_group = [](pp_writer *writer) { return guarded([&] { writer->new_group(); }); };
  library.finish = [](pp_writer *writer) { return guarded([&] { check(writer->writer->Close()); }); };
  library.free_writer = [](pp_writer *writer) {
    // A writer that was not finished writes its footer when it goes away; there is no one to take it.
    delete writer;
  };
}

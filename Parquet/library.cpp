// The table of functions.
#include <arrow/util/config.h>

#include "boundary.h"

namespace pipeline {

std::string &problem() {
  thread_local std::string text;
  return text;
}

static pp_library make() {
  pp_library library{};
  library.abi = PIPELINE_PARQUET_ABI;
  library.last_error = [] { return problem().c_str(); };
  library.version = [] { return ARROW_VERSION_STRING; };
  add_reading(library);
  add_writing(library);
  return library;
}

}  // namespace pipeline

extern "C" __attribute__((visibility("default"))) const pp_library *pipeline_parquet_library(uint32_t abi) {
  static const pp_library library = pipeline::make();
  return abi == PIPELINE_PARQUET_ABI ? &library : nullptr;
}

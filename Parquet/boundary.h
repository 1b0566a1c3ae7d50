// The boundary between C++ and the program: functions that let no exception pass, and Arrow's states as exceptions.
#pragma once
#include <arrow/result.h>
#include <arrow/status.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "pipeline_parquet.h"

namespace pipeline {

std::string &problem();  // of the calling thread

inline void check(const arrow::Status &status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

template <class T>
T value(arrow::Result<T> result) {
  check(result.status());
  return std::move(result).ValueUnsafe();
}

template <class Work>
int guarded(Work &&work) noexcept {
  try {
    work();
    return 0;
  } catch (const std::bad_alloc &) {
    problem() = "there is not enough memory";
  } catch (const std::exception &error) {
    problem() = error.what();
  } catch (...) {
    problem() = "an exception of an unknown kind";
  }
  return 1;
}

// Each file's functions in the table.
void add_reading(pp_library &);
void add_writing(pp_library &);

}  // namespace pipeline

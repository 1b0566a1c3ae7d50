// The boundary between C++ and the program: handles, and functions that let no exception pass.
#pragma once
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <string>
#include <vector>

#include "pipeline_torch.h"

struct pt_tensor {
  at::Tensor value;
  at::Tensor twin;  // the same values for the next residual, or undefined: see dropout_add_norm
};

namespace pipeline {

std::string &problem();  // of the calling thread

template <class Work>
int guarded(Work &&work) noexcept {
  try {
    work();
    return 0;
  } catch (const c10::Error &error) {
    problem() = error.what_without_backtrace();
  } catch (const std::exception &error) {
    problem() = error.what();
  } catch (...) {
    problem() = "an exception of an unknown kind";
  }
  return 1;
}

// Runs `work` and returns its tensor as a handle that the caller owns.
template <class Work>
int giving(pt_tensor **out, Work &&work) noexcept {
  return guarded([&] { *out = new pt_tensor{work(), {}}; });
}

inline at::IntArrayRef shape(const int64_t *sizes, size_t rank) { return at::IntArrayRef(sizes, rank); }
inline at::Device place(pt_device device) {
  return device.index < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device.index));
}
inline std::optional<at::Tensor> maybe(const pt_tensor *tensor) {
  return tensor ? std::optional<at::Tensor>(tensor->value) : std::nullopt;
}
std::vector<at::Tensor> list(pt_tensor *const *tensors, size_t count);
at::ScalarType scalar_type(int32_t dtype);
int32_t dtype_of(at::ScalarType type);

// Each file's functions in the table.
void add_tensor_functions(pt_engine &);
void add_gradient_functions(pt_engine &);
void add_transformer_functions(pt_engine &);
void add_prenorm_functions(pt_engine &);
void add_parameter_functions(pt_engine &);
void add_group_functions(pt_engine &);
void add_exchange_functions(pt_engine &);
void add_flat_functions(pt_engine &);
void add_muon_functions(pt_engine &);
void add_store_functions(pt_engine &);
void add_figure_functions(pt_engine &);
void add_device_functions(pt_engine &);

}  // namespace pipeline

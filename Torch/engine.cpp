// The engine's only exported symbol and the code shared by all its parts.
#include <torch/version.h>

#include <stdexcept>

#include "boundary.h"

namespace pipeline {

std::string &problem() {
  thread_local std::string text;
  return text;
}

std::vector<at::Tensor> list(pt_tensor *const *tensors, size_t count) {
  std::vector<at::Tensor> values;
  values.reserve(count);
  for (size_t i = 0; i < count; i++) values.push_back(tensors[i]->value);
  return values;
}

// In the same order as pt_dtype.
static constexpr at::ScalarType types[] = {at::kFloat, at::kBFloat16, at::kLong, at::kInt, at::kBool, at::kDouble, at::kByte};

at::ScalarType scalar_type(int32_t dtype) {
  if (dtype < 0 || dtype >= static_cast<int32_t>(std::size(types))) throw std::invalid_argument("an unknown dtype");
  return types[dtype];
}

int32_t dtype_of(at::ScalarType type) {
  for (size_t i = 0; i < std::size(types); i++)
    if (types[i] == type) return static_cast<int32_t>(i);
  return -1;
}

static pt_engine make_engine() {
  pt_engine engine{};
  engine.abi = PIPELINE_TORCH_ABI;
  engine.last_error = [] { return problem().c_str(); };
  engine.version = [] { return TORCH_VERSION; };
  add_device_functions(engine);
  add_tensor_functions(engine);
  add_gradient_functions(engine);
  add_transformer_functions(engine);
  add_prenorm_functions(engine);
  add_parameter_functions(engine);
  add_group_functions(engine);
  add_exchange_functions(engine);
  add_flat_functions(engine);
  add_muon_functions(engine);
  add_store_functions(engine);
  add_figure_functions(engine);
  return engine;
}

}  // namespace pipeline

extern "C" __attribute__((visibility("default"))) const pt_engine *pipeline_torch_engine(uint32_t abi) {
  static const pt_engine engine = pipeline::make_engine();
  return abi == PIPELINE_TORCH_ABI ? &engine : nullptr;
}

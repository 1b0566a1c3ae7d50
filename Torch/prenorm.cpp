// Operations of encoders with rotary positions and normalization before each part (ModernBERT).
#include <torch/library.h>

#include "boundary.h"
#include "operations.h"

#ifdef PIPELINE_CUDA
#include "fused.h"
#endif

namespace pipeline {

at::Tensor rotary_positions(
    const at::Tensor &qkv, int64_t heads, const at::Tensor &cosine, const at::Tensor &sine, const at::Tensor &positions) {
#ifdef PIPELINE_CUDA
  if (fused::takes_rotary(qkv, heads, cosine)) return fused::rotary_positions(qkv, heads, cosine, sine, positions);
#endif
  const int64_t tokens = qkv.size(0), size = qkv.size(1) / (3 * heads);
  auto parts = qkv.view({tokens, 3, heads, size});
  auto c = cosine.index_select(0, positions).view({tokens, 1, 1, size / 2});
  auto s = sine.index_select(0, positions).view({tokens, 1, 1, size / 2});
  auto halves = parts.narrow(1, 0, 2).to(at::kFloat).chunk(2, -1);
  auto turned = at::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1).to(qkv.scalar_type());
  return at::cat({turned, parts.narrow(1, 2, 1)}, 1).view(qkv.sizes());
}

std::tuple<at::Tensor, at::Tensor> add_norm(
    const at::Tensor &x, const at::Tensor &residual, const at::Tensor &weight, const MaybeTensor &bias, double epsilon) {
#ifdef PIPELINE_CUDA
  if (fused::takes_norm(x, weight, bias) && residual.scalar_type() == x.scalar_type() && residual.sizes() == x.sizes())
    return fused::add_norm(x, residual, weight, bias, epsilon);
#endif
  auto sum = x + residual;
  return {sum, pipeline::layer_norm(sum, weight, bias, epsilon)};
}

void add_prenorm_functions(pt_engine &engine) {
  engine.rotary = [](const pt_tensor *qkv, int64_t heads, const pt_tensor *cosine, const pt_tensor *sine,
                     const pt_tensor *positions, pt_tensor **out) {
    return giving(out, [&] {
      return pipeline::rotary_positions(qkv->value, heads, cosine->value, sine->value, positions->value);
    });
  };
  engine.add_norm = [](const pt_tensor *x, const pt_tensor *residual, const pt_tensor *weight, const pt_tensor *bias,
                       double epsilon, pt_tensor **sum, pt_tensor **out) {
    return guarded([&] {
      auto [added, normed] = pipeline::add_norm(x->value, residual->value, weight->value, maybe(bias), epsilon);
      *sum = new pt_tensor{added, {}};
      *out = new pt_tensor{normed, {}};
    });
  };
}

// For Python, as in operations.cpp.
TORCH_LIBRARY_FRAGMENT(pipeline, library) {
  library.def("rotary", &pipeline::rotary_positions);
  library.def(
      "add_norm(Tensor x, Tensor residual, Tensor weight, Tensor? bias, float epsilon) -> (Tensor, Tensor)",
      &pipeline::add_norm);
}

}  // namespace pipeline

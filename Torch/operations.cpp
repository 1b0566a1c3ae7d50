// Selects the implementation of each operation, and composes operations from torch's.
#include "operations.h"

#include <torch/library.h>

#include "steady.h"

#ifdef PIPELINE_CUDA
#include "fused.h"
#endif

namespace pipeline {

at::Tensor linear(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias) {
#ifdef PIPELINE_CUDA
  if (fused::takes_linear(x, weight, bias)) return fused::linear(x, weight, bias);
#endif
  return x.is_cpu() ? steady::linear(x, weight, bias) : at::linear(x, weight, bias);
}

at::Tensor layer_norm(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias, double epsilon) {
#ifdef PIPELINE_CUDA
  if (fused::takes_norm(x, weight, bias)) return fused::layer_norm(x, weight, bias, epsilon);
#endif
  if (x.is_cpu()) return steady::layer_norm(x, weight, bias, epsilon);
  return at::layer_norm(x, {x.size(-1)}, weight, bias, epsilon);
}

at::Tensor gelu(const at::Tensor &x) { return x.is_cpu() ? steady::gelu(x) : at::gelu(x); }
at::Tensor tanh(const at::Tensor &x) { return x.is_cpu() ? steady::tanh(x) : at::tanh(x); }

at::Tensor dropout(const at::Tensor &x, double probability, bool training, const MaybeTensor &rows) {
  if (!training || probability <= 0) return x;
  if (x.is_cpu()) return steady::dropout(x, rows, probability);
#ifdef PIPELINE_CUDA
  if (fused::takes(x)) return fused::dropout(x, probability, rows);
#endif
  return at::dropout(x, probability, true);
}

std::tuple<at::Tensor, at::Tensor> dropout_add_norm(
    const at::Tensor &x, const at::Tensor &residual, const at::Tensor &weight, const MaybeTensor &bias,
    double probability, bool training, double epsilon, const MaybeTensor &rows) {
#ifdef PIPELINE_CUDA
  if (fused::takes_norm(x, weight, bias) && residual.scalar_type() == x.scalar_type() && residual.sizes() == x.sizes())
    return fused::dropout_add_norm(x, residual, weight, bias, training ? probability : 0, epsilon, rows);
#endif
  auto out = pipeline::layer_norm(pipeline::dropout(x, probability, training, rows) + residual, weight, bias, epsilon);
  return {out, out};
}

at::Tensor geglu(const at::Tensor &x, double probability, bool training, const MaybeTensor &rows) {
#ifdef PIPELINE_CUDA
  if (fused::takes(x) && x.size(-1) % 16 == 0) return fused::geglu(x, training ? probability : 0, rows);
#endif
  if (x.is_cpu()) return pipeline::dropout(steady::geglu(x), probability, training, rows);
  auto halves = x.chunk(2, -1);
  return pipeline::dropout(at::gelu(halves[0]) * halves[1], probability, training, rows);
}

// x·cos + rotated(x)·sin over the last dimension, with swapped halves: as in GPT-NeoX and nomic_bert.
static at::Tensor rotated(const at::Tensor &x, const at::Tensor &cosine, const at::Tensor &sine) {
  auto halves = x.chunk(2, -1);
  return x * cosine + at::cat({-halves[1], halves[0]}, -1) * sine;
}

static at::Tensor attended(
    const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, MaybeTensor bias, double probability,
    const MaybeTensor &samples) {
  // Selected explicitly on the GPU: otherwise torch may choose an implementation that writes all scores to memory.
  if (q.is_cuda() && q.scalar_type() == at::kBFloat16 && q.size(2) % 8 == 0) {
    if (bias) bias = bias->to(q.scalar_type()).expand({q.size(0), q.size(1), q.size(2), k.size(2)});
    bool training = c10::GradMode::is_enabled();
    return std::get<0>(at::_scaled_dot_product_cudnn_attention(q, k, v, bias, training, probability, false, false));
  }
  if (q.is_cpu() && probability > 0) return steady::attention(q, k, v, bias, samples, probability);
  return at::scaled_dot_product_attention(q, k, v, bias, probability);
}

at::Tensor attention(
    const at::Tensor &qkv, int64_t batch, int64_t length, int64_t heads, const MaybeTensor &bias,
    const MaybeTensor &cosine, const MaybeTensor &sine, double probability, bool training, const MaybeTensor &samples) {
  if (!training) probability = 0;
#ifdef PIPELINE_CUDA
  if (!cosine && fused::takes_attention(qkv, length, bias))
    return fused::attention(qkv, batch, length, heads, bias, probability);
#endif
  int64_t size = qkv.size(1) / (3 * heads);
  auto parts = qkv.view({batch, length, 3, heads, size}).permute({2, 0, 3, 1, 4}).unbind(0);
  if (cosine) {
    parts[0] = rotated(parts[0], *cosine, *sine);
    parts[1] = rotated(parts[1], *cosine, *sine);
  }
  auto context = attended(parts[0], parts[1], parts[2], bias, probability, samples);
  return context.transpose(1, 2).reshape({batch * length, heads * size});
}

bool takes_segments(const at::Tensor &x) {
#ifdef PIPELINE_CUDA
  return fused::takes_segments(x);
#else
  return false;
#endif
}

at::Tensor segmented_attention(
    const at::Tensor &qkv, int64_t length, int64_t heads, const MaybeTensor &bounds, const MaybeTensor &slopes) {
#ifdef PIPELINE_CUDA
  return fused::segmented_attention(qkv, length, heads, bounds, slopes);
#else
  TORCH_CHECK(false, "this engine was built without GPU kernels");
#endif
}

at::Tensor cross_entropy(const at::Tensor &logits, const at::Tensor &labels, int64_t ignored, bool sum) {
#ifdef PIPELINE_CUDA
  if (fused::takes(logits) && logits.dim() == 2) return fused::cross_entropy(logits, labels, ignored, sum);
#endif
  return at::cross_entropy_loss(logits.to(at::kFloat), labels, {}, sum ? at::Reduction::Sum : at::Reduction::Mean, ignored);
}

// For Python, which loads the engine with torch.ops.load_library, in tests and benchmarks against torch.
TORCH_LIBRARY(pipeline, library) {
  library.def("linear", &pipeline::linear);
  library.def("layer_norm", &pipeline::layer_norm);
  library.def("gelu", &pipeline::gelu);
  library.def("dropout(Tensor x, float probability, bool training, Tensor? rows=None) -> Tensor", &pipeline::dropout);
  library.def(
      "dropout_add_norm(Tensor x, Tensor residual, Tensor weight, Tensor? bias, float probability, bool training, "
      "float epsilon, Tensor? rows=None) -> (Tensor, Tensor)",
      &pipeline::dropout_add_norm);
  library.def("geglu(Tensor x, float probability, bool training, Tensor? rows=None) -> Tensor", &pipeline::geglu);
  library.def(
      "attention(Tensor qkv, int batch, int length, int heads, Tensor? bias, Tensor? cosine, Tensor? sine, "
      "float probability, bool training, Tensor? samples=None) -> Tensor",
      &pipeline::attention);
  library.def(
      "segmented_attention(Tensor qkv, int length, int heads, Tensor? bounds, Tensor? slopes) -> Tensor",
      &pipeline::segmented_attention);
  library.def("cross_entropy", &pipeline::cross_entropy);
}

}  // namespace pipeline

// Attention over the fused projection: q, k and v are read where the linear layer wrote them, and their gradients are
// written as the single gradient that the linear layer's backward pass reads.
#ifdef PIPELINE_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/csrc/autograd/custom_function.h>

#include "fused.h"
#include "kernels.h"

namespace pipeline::fused {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

static variable_list parts(const at::Tensor &qkv, int64_t batch, int64_t length, int64_t heads) {
  return qkv.view({batch, length, 3, heads, qkv.size(1) / (3 * heads)}).permute({2, 0, 3, 1, 4}).unbind(0);
}

// MARK: Short sequences, with our own kernels

static ShortAttention short_attention(
    const at::Tensor &qkv, const at::Tensor &bias, int64_t batch, int64_t length, int64_t heads) {
  ShortAttention tensors{};
  tensors.qkv = qkv.data_ptr();
  tensors.batch = batch;
  tensors.heads = heads;
  tensors.length = static_cast<int>(length);
  if (!bias.defined()) return tensors;
  tensors.bias = bias.data_ptr();
  tensors.bias_batch = bias.stride(0);
  tensors.bias_head = bias.stride(1);
  tensors.bias_row = bias.stride(2);
  return tensors;
}

// In the layout that the kernels read; repeated dimensions are not copied.
static at::Tensor laid_bias(const MaybeTensor &bias, at::ScalarType type, int64_t batch, int64_t length, int64_t heads) {
  if (!bias) return {};
  auto given = bias->to(type);
  auto wide = given.expand({batch, heads, length, length});
  bool is_laid = wide.stride(3) == 1 && reinterpret_cast<uintptr_t>(wide.data_ptr()) % 16 == 0;
  for (int i = 0; i < 3; i++) is_laid = is_laid && wide.stride(i) % 8 == 0;
  return is_laid ? wide : wide.clone(at::MemoryFormat::Contiguous);
}

struct Short : torch::autograd::Function<Short> {
  static at::Tensor forward(
      AutogradContext *context, const at::Tensor &given, int64_t batch, int64_t length, int64_t heads, const MaybeTensor &bias) {
    c10::cuda::CUDAGuard device(given.device());
    auto qkv = given.contiguous();
    auto wide = laid_bias(bias, qkv.scalar_type(), batch, length, heads);
    auto out = at::empty({batch * length, qkv.size(1) / 3}, qkv.options());
    auto tensors = short_attention(qkv, wide, batch, length, heads);
    tensors.out = out.data_ptr();
    attention_forward(tensors, c10::cuda::getCurrentCUDAStream().stream());
    context->save_for_backward({qkv, wide});
    context->saved_data["shape"] = std::vector<int64_t>{batch, length, heads};
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto shape = context->saved_data["shape"].toIntVector();
    c10::cuda::CUDAGuard device(saved[0].device());
    auto gradient = gradients[0].contiguous(), out = at::empty_like(saved[0]);
    auto tensors = short_attention(saved[0], saved[1], shape[0], shape[1], shape[2]);
    tensors.gradient = gradient.data_ptr();
    tensors.qkv_gradient = out.data_ptr();
    attention_backward(tensors, c10::cuda::getCurrentCUDAStream().stream());
    return {out, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// MARK: All other sequences, with cuDNN

struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(
      AutogradContext *context, const at::Tensor &given, int64_t batch, int64_t length, int64_t heads,
      const MaybeTensor &bias, double probability) {
    c10::cuda::CUDAGuard device(given.device());
    auto qkv = given.contiguous();
    auto all = parts(qkv, batch, length, heads);
    auto wide = bias ? MaybeTensor(bias->to(qkv.scalar_type()).expand({batch, heads, length, length})) : std::nullopt;
    auto [out, log_sum, firsts_q, firsts_k, longest_q, longest_k, seed, offset, mask] =
        at::_scaled_dot_product_cudnn_attention(all[0], all[1], all[2], wide, true, probability, false, false);
    context->save_for_backward({qkv, out, log_sum, seed, offset, wide.value_or(at::Tensor())});
    context->saved_data["shape"] = std::vector<int64_t>{batch, length, heads};
    context->saved_data["dropout"] = probability;
    return out.transpose(1, 2).reshape({batch * length, qkv.size(1) / 3});
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto shape = context->saved_data["shape"].toIntVector();
    const int64_t batch = shape[0], length = shape[1], heads = shape[2];
    auto &qkv = saved[0];
    c10::cuda::CUDAGuard device(qkv.device());
    auto all = parts(qkv, batch, length, heads);
    auto gradient = gradients[0].contiguous().view({batch, length, heads, -1}).transpose(1, 2);
    auto [q, k, v] = at::_scaled_dot_product_cudnn_attention_backward(
        gradient, all[0], all[1], all[2], saved[1], saved[2], saved[3], saved[4], saved[5], at::Tensor(), at::Tensor(),
        length, length, context->saved_data["dropout"].toDouble(), false);
    auto flat = [&](const at::Tensor &x) { return x.transpose(1, 2).reshape({batch * length, qkv.size(1) / 3}); };
    return {at::cat({flat(q), flat(k), flat(v)}, 1), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

bool takes_attention(const at::Tensor &qkv, int64_t length, const MaybeTensor &bias) {
  return takes(qkv) && qkv.scalar_type() == at::kBFloat16 && length % 8 == 0 && !(bias && bias->requires_grad());
}

at::Tensor attention(
    const at::Tensor &qkv, int64_t batch, int64_t length, int64_t heads, const MaybeTensor &bias, double probability) {
  bool is_short = length > 64 && length <= 128 && qkv.size(1) == 3 * heads * 64 && probability == 0;
  if (is_short) return Short::apply(qkv, batch, length, heads, bias);
  return Attention::apply(qkv, batch, length, heads, bias, probability);
}

}  // namespace pipeline::fused
#endif

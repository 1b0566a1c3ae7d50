// Attention over the fused projection: q, k and v are read where the linear wrote them, and their gradients become the
// one gradient that the linear's backward pass reads.
#ifdef PIPELINE_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include "fused.h"

namespace pipeline::fused {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Attention : torch::autograd::Function<Attention> {
  static variable_list parts(const at::Tensor &qkv, int64_t batch, int64_t length, int64_t heads) {
    auto all = qkv.view({batch, length, 3, heads, qkv.size(1) / (3 * heads)}).permute({2, 0, 3, 1, 4});
    return all.unbind(0);
  }

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
  return Attention::apply(qkv, batch, length, heads, bias, probability);
}

}  // namespace pipeline::fused
#endif

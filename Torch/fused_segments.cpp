// Attention within segments, over the fused projection (see kernels/segmented_attention.cu).
#ifdef PIPELINE_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/csrc/autograd/custom_function.h>

#include "fused.h"
#include "kernels.h"

namespace pipeline::fused {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

static SegmentedAttention segmented(
    const at::Tensor &qkv, int64_t length, int64_t heads, const at::Tensor &bounds, const at::Tensor &slopes,
    const at::Tensor &log_sum) {
  SegmentedAttention tensors{};
  tensors.qkv = qkv.data_ptr();
  tensors.tokens = qkv.size(0);
  tensors.heads = heads;
  tensors.length = length;
  if (bounds.defined()) tensors.bounds = bounds.data_ptr<int32_t>();
  if (slopes.defined()) tensors.slopes = slopes.data_ptr<float>();
  tensors.log_sum = log_sum.data_ptr<float>();
  return tensors;
}

bool takes_segments(const at::Tensor &x) { return takes(x) && x.scalar_type() == at::kBFloat16; }

struct Segmented : torch::autograd::Function<Segmented> {
  static at::Tensor forward(
      AutogradContext *context, const at::Tensor &given, int64_t length, int64_t heads, const MaybeTensor &bounds,
      const MaybeTensor &slopes) {
    TORCH_CHECK(takes_segments(given) && given.dim() == 2 && given.size(1) == 3 * heads * 64, "attention within segments is for bfloat16 on a GPU and heads of size 64");
    c10::cuda::CUDAGuard device(given.device());
    auto qkv = given.contiguous();
    const int64_t tokens = qkv.size(0);
    TORCH_CHECK(!bounds || (bounds->numel() == 2 * tokens && bounds->scalar_type() == at::kInt), "bounds must be int32 [2, tokens]");
    TORCH_CHECK(bounds || length > 0, "segments need bounds or a length");
    TORCH_CHECK(!slopes || (slopes->numel() == heads && slopes->scalar_type() == at::kFloat), "slopes must be float [heads]");
    auto from = bounds ? bounds->contiguous() : at::Tensor(), slope = slopes ? slopes->contiguous() : at::Tensor();
    auto out = at::empty({tokens, heads * 64}, qkv.options());
    auto log_sum = at::empty({heads, tokens}, qkv.options().dtype(at::kFloat));
    if (tokens > 0) {
      auto tensors = segmented(qkv, length, heads, from, slope, log_sum);
      tensors.out = out.data_ptr();
      segmented_attention_forward(tensors, c10::cuda::getCurrentCUDAStream().stream());
    }
    context->save_for_backward({qkv, out, log_sum, from, slope});
    context->saved_data["shape"] = std::vector<int64_t>{length, heads};
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto shape = context->saved_data["shape"].toIntVector();
    auto &qkv = saved[0], &log_sum = saved[2];
    c10::cuda::CUDAGuard device(qkv.device());
    auto gradient = gradients[0].contiguous(), to = at::empty_like(qkv), product = at::empty_like(log_sum);
    if (qkv.size(0) > 0) {
      auto tensors = segmented(qkv, shape[0], shape[1], saved[3], saved[4], log_sum);
      tensors.out_read = saved[1].data_ptr();
      tensors.gradient = gradient.data_ptr();
      tensors.product = product.data_ptr<float>();
      tensors.qkv_gradient = to.data_ptr();
      segmented_attention_backward(tensors, c10::cuda::getCurrentCUDAStream().stream());
    }
    return {to, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

at::Tensor segmented_attention(
    const at::Tensor &qkv, int64_t length, int64_t heads, const MaybeTensor &bounds, const MaybeTensor &slopes) {
  return Segmented::apply(qkv, length, heads, bounds, slopes);
}

}  // namespace pipeline::fused
#endif

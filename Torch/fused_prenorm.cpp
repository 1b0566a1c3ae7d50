// What encoders with normalization before each part add to the fused kernels: rotary positions in place, and a sum together
// with its norm.
#ifdef PIPELINE_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/csrc/autograd/custom_function.h>

#include "fused.h"
#include "rows.h"

namespace pipeline::fused {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// MARK: Rotary positions

bool takes_rotary(const at::Tensor &qkv, int64_t heads, const at::Tensor &cosine) {
  const int64_t size = qkv.size(1) / (3 * heads), vector = vector_size(element_of(qkv));
  return takes(qkv) && qkv.is_contiguous() && reinterpret_cast<uintptr_t>(qkv.data_ptr()) % 16 == 0 &&
         size % (2 * vector) == 0 && cosine.scalar_type() == at::kFloat && cosine.is_contiguous() && cosine.size(1) == size / 2;
}

struct Rotated : torch::autograd::Function<Rotated> {
  static void turn(
      at::Tensor &qkv, int64_t heads, const at::Tensor &cosine, const at::Tensor &sine, const at::Tensor &positions,
      bool backward) {
    c10::cuda::CUDAGuard device(qkv.device());
    rotary(
        element_of(qkv),
        {qkv.data_ptr(), cosine.data_ptr<float>(), sine.data_ptr<float>(), positions.data_ptr<int64_t>(), qkv.size(0),
         heads, static_cast<int>(qkv.size(1) / (3 * heads)), backward},
        stream());
  }

  static at::Tensor forward(
      AutogradContext *context, at::Tensor qkv, int64_t heads, const at::Tensor &cosine, const at::Tensor &sine,
      const at::Tensor &positions) {
    turn(qkv, heads, cosine, sine, positions, false);
    context->mark_dirty({qkv});
    context->save_for_backward({cosine, sine, positions});
    context->saved_data["heads"] = heads;
    return qkv;
  }

  // Turns the gradient back where it is if nobody else has it or its memory, as when attention has made it for this.
  static variable_list backward(AutogradContext *context, const variable_list &gradients) {
    auto saved = context->get_saved_variables();
    const bool is_own = gradients[0].use_count() == 1 && gradients[0].storage().use_count() == 1;
    auto gradient = is_own ? laid(gradients[0]) : gradients[0].clone(at::MemoryFormat::Contiguous);
    turn(gradient, context->saved_data["heads"].toInt(), saved[0], saved[1], saved[2], true);
    return {gradient, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

at::Tensor rotary_positions(
    const at::Tensor &qkv, int64_t heads, const at::Tensor &cosine, const at::Tensor &sine, const at::Tensor &positions) {
  TORCH_CHECK(
      positions.scalar_type() == at::kLong && positions.numel() == qkv.size(0) && sine.sizes() == cosine.sizes(),
      "rotary positions need an int64 position for each of ", qkv.size(0), " tokens");
  return Rotated::apply(qkv, heads, cosine, sine.contiguous(), positions.contiguous());
}

// MARK: A sum and its norm

struct AddNorm : torch::autograd::Function<AddNorm> {
  static variable_list forward(
      AutogradContext *context, const at::Tensor &x, const at::Tensor &residual, const at::Tensor &weight,
      const MaybeTensor &bias, double epsilon) {
    c10::cuda::CUDAGuard device(x.device());
    auto input = laid(x), other = laid(residual), scale = laid(weight), shift = bias ? laid(*bias) : at::Tensor();
    auto shape = matrix(input);
    auto sum = at::empty_like(input), out = at::empty_like(input);
    auto mean = at::empty({shape.rows}, x.options().dtype(at::kFloat)), deviation = at::empty_like(mean);
    norm_forward(
        shape,
        {address(input), address(other), address(scale), address(shift), sum.data_ptr(), out.data_ptr(),
         mean.data_ptr<float>(), deviation.data_ptr<float>(), static_cast<float>(epsilon)},
        {}, stream());
    context->save_for_backward({sum, mean, deviation, scale});
    context->saved_data["bias"] = shift.defined();
    context->set_materialize_grads(false);
    return {sum, out};
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    variable_list out(5);
    out[0] = out[1] = gradients[0];
    if (!gradients[1].defined()) return out;
    auto saved = context->get_saved_variables();
    auto &sum = saved[0], &weight = saved[3];
    c10::cuda::CUDAGuard device(sum.device());
    auto shape = matrix(sum);
    auto gradient = laid(gradients[1]), total = at::empty_like(sum);
    auto partial = at::empty({norm_backward_blocks(shape), 2 * shape.columns}, saved[1].options());
    norm_backward(
        shape,
        {address(gradient), nullptr, address(sum), address(weight), saved[1].data_ptr<float>(), saved[2].data_ptr<float>(),
         address(total), nullptr, partial.data_ptr<float>()},
        {}, stream());
    auto parameters = at::empty({2, shape.columns}, weight.options());
    sum_partials({shape.element, partial.size(0), 2 * shape.columns}, partial.data_ptr<float>(), parameters.data_ptr(), stream());
    if (gradients[0].defined()) total.add_(gradients[0]);
    out[0] = out[1] = total;
    out[2] = parameters[0];
    if (context->saved_data["bias"].toBool()) out[3] = parameters[1];
    return out;
  }
};

std::tuple<at::Tensor, at::Tensor> add_norm(
    const at::Tensor &x, const at::Tensor &residual, const at::Tensor &weight, const MaybeTensor &bias, double epsilon) {
  auto out = AddNorm::apply(x, residual, weight, bias, epsilon);
  return {out[0], out[1]};
}

}  // namespace pipeline::fused
#endif

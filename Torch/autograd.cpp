// Autograd functions of the fused kernels.
#ifdef PIPELINE_CUDA
#include "fused.h"

#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <mutex>

#include "rows.h"

namespace pipeline::fused {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The row ids as the kernels read them; undefined without dropout.
static at::Tensor names(const MaybeTensor &rows, int64_t count, double probability) {
  if (!rows || !rows->defined() || probability <= 0) return {};
  TORCH_CHECK(rows->numel() == count && rows->scalar_type() == at::kLong, "dropout names ", rows->numel(), " rows of ", count);
  return rows->contiguous();
}

static void name_rows(Dropout &dropout, const at::Tensor &names) {
  dropout.rows = names.defined() ? names.data_ptr<int64_t>() : nullptr;
}

// Each dropout takes the next numbers of torch's generator: the same seed drops the same values.
static Dropout next_dropout(double probability, const at::Tensor &names) {
  Dropout dropout;
  name_rows(dropout, names);
  dropout.threshold = static_cast<uint32_t>(std::lround(probability * 65536));
  if (dropout.threshold == 0) return dropout;
  dropout.scale = dropout.threshold < 65536 ? 65536.0f / static_cast<float>(65536 - dropout.threshold) : 0;
  auto generator = at::cuda::detail::getDefaultCUDAGenerator(c10::cuda::current_device());
  std::lock_guard<std::mutex> lock(generator.mutex());
  auto state = at::check_generator<at::CUDAGeneratorImpl>(generator)->philox_cuda_state(4);
  if (state.captured_) {
    dropout.seed_address = state.seed_.ptr;
    dropout.offset_address = state.offset_.ptr;
    dropout.offset = state.offset_intragraph_;
  } else {
    dropout.seed = state.seed_.val;
    dropout.offset = state.offset_.val;
  }
  return dropout;
}

// In a form that a context can keep until the backward pass.
static c10::IValue packed(const Dropout &dropout) {
  return std::vector<int64_t>{
      dropout.threshold, static_cast<int64_t>(dropout.seed), static_cast<int64_t>(dropout.offset),
      reinterpret_cast<int64_t>(dropout.seed_address), reinterpret_cast<int64_t>(dropout.offset_address)};
}

static Dropout unpacked(const c10::IValue &kept, const at::Tensor &names) {
  auto values = kept.toIntVector();
  Dropout dropout;
  name_rows(dropout, names);
  dropout.threshold = static_cast<uint32_t>(values[0]);
  if (dropout.threshold > 0 && dropout.threshold < 65536)
    dropout.scale = 65536.0f / static_cast<float>(65536 - dropout.threshold);
  dropout.seed = static_cast<uint64_t>(values[1]);
  dropout.offset = static_cast<uint64_t>(values[2]);
  dropout.seed_address = reinterpret_cast<const int64_t *>(values[3]);
  dropout.offset_address = reinterpret_cast<const int64_t *>(values[4]);
  return dropout;
}

static at::Tensor floats(at::IntArrayRef sizes, const at::Tensor &beside) {
  return at::empty(sizes, beside.options().dtype(at::kFloat));
}

// MARK: Linear

static at::Tensor summed_rows(const at::Tensor &x) {
  c10::cuda::CUDAGuard device(x.device());
  auto shape = matrix(x);
  auto partial = floats({column_sum_blocks(shape.rows), shape.columns}, x), out = at::empty({shape.columns}, x.options());
  column_sum(shape, x.data_ptr(), partial.data_ptr<float>(), out.data_ptr(), stream());
  return out;
}

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias) {
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    return product(x, weight, true, bias);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto gradient = laid(gradients[0]);
    variable_list out(3);
    if (context->needs_input_grad(0)) out[0] = product(gradient, saved[1], false);
    if (context->needs_input_grad(1)) out[1] = at::mm(gradient.t(), saved[0]);
    // A missing bias is not an input.
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) out[2] = summed_rows(gradient);
    return out;
  }
};

// MARK: Gated GELU

struct Geglu : torch::autograd::Function<Geglu> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &given, double probability, const MaybeTensor &rows) {
    c10::cuda::CUDAGuard device(given.device());
    auto x = laid(given);
    auto sizes = x.sizes().vec();
    sizes.back() /= 2;
    auto out = at::empty(sizes, x.options());
    auto named = names(rows, matrix(out).rows, probability);
    auto dropout = next_dropout(probability, named);
    geglu_forward(matrix(out), x.data_ptr(), out.data_ptr(), dropout, stream());
    context->save_for_backward({x, named});
    context->saved_data["dropout"] = packed(dropout);
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto &x = saved[0];
    c10::cuda::CUDAGuard device(x.device());
    auto gradient = laid(gradients[0]);
    auto out = at::empty_like(x);
    auto dropout = unpacked(context->saved_data["dropout"], saved[1]);
    geglu_backward(matrix(gradient), gradient.data_ptr(), x.data_ptr(), out.data_ptr(), dropout, stream());
    return {out, at::Tensor(), at::Tensor()};
  }
};

// MARK: Dropout alone

struct Dropped : torch::autograd::Function<Dropped> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &given, double probability, const MaybeTensor &rows) {
    c10::cuda::CUDAGuard device(given.device());
    auto x = laid(given), out = at::empty_like(x), named = names(rows, matrix(x).rows, probability);
    auto dropout = next_dropout(probability, named);
    drop_rows(matrix(x), x.data_ptr(), out.data_ptr(), dropout, stream());
    context->save_for_backward({named});
    context->saved_data["dropout"] = packed(dropout);
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto gradient = laid(gradients[0]);
    c10::cuda::CUDAGuard device(gradient.device());
    auto out = at::empty_like(gradient);
    auto dropout = unpacked(context->saved_data["dropout"], saved[0]);
    drop_rows(matrix(gradient), gradient.data_ptr(), out.data_ptr(), dropout, stream());
    return {out, at::Tensor(), at::Tensor()};
  }
};

// MARK: Normalization

struct Norm : torch::autograd::Function<Norm> {
  // Returns the normalized rows twice (see dropout_add_norm). Without a residual, x itself is normalized.
  static variable_list forward(
      AutogradContext *context, const at::Tensor &x, const MaybeTensor &residual, const at::Tensor &weight,
      const MaybeTensor &bias, double probability, double epsilon, const MaybeTensor &rows) {
    c10::cuda::CUDAGuard device(x.device());
    auto input = laid(x), other = laid(residual), scale = laid(weight), shift = laid(bias);
    auto shape = matrix(input);
    auto named = names(rows, shape.rows, probability);
    auto dropout = next_dropout(probability, named);
    auto sum = other.defined() ? at::empty_like(input) : input;
    auto out = at::empty_like(input);
    auto mean = floats({shape.rows}, x), deviation = floats({shape.rows}, x);
    norm_forward(
        shape,
        {address(input), address(other), address(scale), address(shift), other.defined() ? sum.data_ptr() : nullptr,
         out.data_ptr(), mean.data_ptr<float>(), deviation.data_ptr<float>(), static_cast<float>(epsilon)},
        dropout, stream());
    context->save_for_backward({sum, mean, deviation, scale, named});
    context->saved_data["dropout"] = packed(dropout);
    context->saved_data["residual"] = other.defined();
    context->saved_data["bias"] = shift.defined();
    context->set_materialize_grads(false);
    return {out, out.variable_data()};
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    variable_list out(7);
    if (!gradients[0].defined()) std::swap(gradients[0], gradients[1]);
    if (!gradients[0].defined()) return out;
    auto saved = context->get_saved_variables();
    auto &sum = saved[0], &weight = saved[3];
    c10::cuda::CUDAGuard device(sum.device());
    auto shape = matrix(sum);
    auto dropout = unpacked(context->saved_data["dropout"], saved[4]);
    auto first = laid(gradients[0]), second = gradients[1].defined() ? laid(gradients[1]) : at::Tensor();
    auto sum_gradient = at::empty_like(sum);
    auto x_gradient = dropout.threshold > 0 ? at::empty_like(sum) : at::Tensor();
    auto partial = floats({norm_backward_blocks(shape), 2 * shape.columns}, sum);
    norm_backward(
        shape,
        {address(first), address(second), address(sum), address(weight), saved[1].data_ptr<float>(),
         saved[2].data_ptr<float>(), address(sum_gradient), address(x_gradient), partial.data_ptr<float>()},
        dropout, stream());
    auto parameters = at::empty({2, shape.columns}, weight.options());
    sum_partials({shape.element, partial.size(0), 2 * shape.columns}, partial.data_ptr<float>(), parameters.data_ptr(), stream());
    out[0] = x_gradient.defined() ? x_gradient : sum_gradient;
    if (context->saved_data["residual"].toBool()) out[1] = sum_gradient;
    out[2] = parameters[0];
    if (context->saved_data["bias"].toBool()) out[3] = parameters[1];
    return out;
  }
};

// MARK: Cross-entropy

struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static at::Tensor forward(
      AutogradContext *context, const at::Tensor &given, const at::Tensor &labels, int64_t ignored, bool mean) {
    c10::cuda::CUDAGuard device(given.device());
    auto logits = laid(given), classes = labels.contiguous();
    auto shape = matrix(logits);
    auto loss = floats({shape.rows}, logits), log_sum = floats({shape.rows}, logits), total = floats({2}, logits);
    cross_entropy_forward(
        shape, logits.data_ptr(), classes.data_ptr<int64_t>(), ignored, mean, loss.data_ptr<float>(),
        log_sum.data_ptr<float>(), total.data_ptr<float>(), stream());
    context->save_for_backward({logits, classes, log_sum, total});
    context->saved_data["ignored"] = ignored;
    context->saved_data["mean"] = mean;
    return total[0].clone();
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto &logits = saved[0];
    c10::cuda::CUDAGuard device(logits.device());
    auto gradient = gradients[0].to(at::kFloat).contiguous();
    auto out = at::empty_like(logits);
    cross_entropy_backward(
        matrix(logits), logits.data_ptr(), saved[1].data_ptr<int64_t>(), context->saved_data["ignored"].toInt(),
        context->saved_data["mean"].toBool(), saved[2].data_ptr<float>(), saved[3].data_ptr<float>(),
        gradient.data_ptr<float>(), out.data_ptr(), stream());
    return {out, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// MARK: Interface

bool takes(const at::Tensor &x) {
  bool is_known = x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kFloat;
  return x.is_cuda() && is_known && x.numel() > 0 && x.size(-1) % vector_size(element_of(x)) == 0;
}

bool takes_norm(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias) {
  return takes(x) && x.size(-1) <= norm_columns_limit(element_of(x)) && weight.scalar_type() == x.scalar_type() &&
         (!bias || bias->scalar_type() == x.scalar_type());
}

bool takes_linear(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias) {
  return takes(x) && x.dim() == 2 && weight.scalar_type() == x.scalar_type() &&
         (!bias || bias->scalar_type() == x.scalar_type()) && weight.size(0) % vector_size(element_of(x)) == 0;
}

at::Tensor linear(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias) { return Linear::apply(x, weight, bias); }

at::Tensor layer_norm(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias, double epsilon) {
  return Norm::apply(x, MaybeTensor(), weight, bias, 0.0, epsilon, MaybeTensor())[0];
}

std::tuple<at::Tensor, at::Tensor> dropout_add_norm(
    const at::Tensor &x, const at::Tensor &residual, const at::Tensor &weight, const MaybeTensor &bias,
    double probability, double epsilon, const MaybeTensor &rows) {
  auto out = Norm::apply(x, MaybeTensor(residual), weight, bias, probability, epsilon, rows);
  return {out[0], out[1]};
}

at::Tensor geglu(const at::Tensor &x, double probability, const MaybeTensor &rows) {
  return Geglu::apply(x, probability, rows);
}

at::Tensor dropout(const at::Tensor &x, double probability, const MaybeTensor &rows) {
  return Dropped::apply(x, probability, rows);
}

at::Tensor cross_entropy(const at::Tensor &logits, const at::Tensor &labels, int64_t ignored, bool sum) {
  return CrossEntropy::apply(logits, labels, ignored, !sum);
}

}  // namespace pipeline::fused
#endif

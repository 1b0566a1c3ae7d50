// Operations on all parameters of a model at once.
#include "boundary.h"
#include "trace.h"

namespace pipeline {

static int copy_all(pt_tensor *const *to, pt_tensor *const *from, size_t count) {
  return guarded([&] {
    c10::NoGradGuard none;
    at::_foreach_copy_(list(to, count), list(from, count));
  });
}

static int add_all(pt_tensor *const *to, pt_tensor *const *from, size_t count, double scale) {
  return guarded([&] {
    c10::NoGradGuard none;
    at::_foreach_add_(list(to, count), list(from, count), scale);
  });
}

static int scale_all(pt_tensor *const *tensors, size_t count, double factor) {
  return guarded([&] {
    c10::NoGradGuard none;
    at::_foreach_mul_(list(tensors, count), factor);
  });
}

static at::Tensor norm_of(const std::vector<at::Tensor> &tensors) { return at::stack(at::_foreach_norm(tensors)).norm(); }

static int norm_all(pt_tensor *const *tensors, size_t count, pt_tensor **out) {
  return giving(out, [&] {
    c10::NoGradGuard none;
    return norm_of(list(tensors, count));
  });
}

// Like torch.nn.utils.clip_grad_norm_, without waiting for the device.
static int clip_all(
    pt_tensor *const *tensors, size_t count, const pt_tensor *norm, double maximum, const pt_tensor *divisor) {
  return guarded([&] {
    c10::NoGradGuard none;
    auto factor = maximum > 0 ? (maximum / (norm->value + 1e-6)).clamp_max(1.0) : at::ones_like(norm->value);
    if (divisor) factor = factor / divisor->value.reshape({}).to(factor.scalar_type());
    at::_foreach_mul_(list(tensors, count), factor);
  });
}

static int adamw(
    pt_tensor *const *weights, pt_tensor *const *gradients, pt_tensor *const *first, pt_tensor *const *second,
    size_t count, int64_t step, double rate, double beta1, double beta2, double decay, double epsilon,
    const pt_tensor *figure) {
  return guarded([&] {
    c10::NoGradGuard none;
    auto w = list(weights, count);
    // The kernel only reads the step, so all parameters can share it.
    auto at_step = at::full({}, static_cast<double>(step), w[0].options().dtype(at::kFloat));
    // Without waiting for the device: the kernel itself checks whether to skip the step.
    std::optional<at::Tensor> is_bad;
    if (figure) is_bad = at::isfinite(figure->value).logical_not().to(at::kFloat).reshape({});
    at::_fused_adamw_(
        w, list(gradients, count), list(first, count), list(second, count), {}, std::vector<at::Tensor>(count, at_step),
        rate, beta1, beta2, decay, epsilon, /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, is_bad);
    trace_after(step, w[0].is_cuda());
  });
}

void add_parameter_functions(pt_engine &engine) {
  engine.copy_all = copy_all;
  engine.add_all = add_all;
  engine.scale_all = scale_all;
  engine.norm_all = norm_all;
  engine.clip_all = clip_all;
  engine.adamw = adamw;
}

}  // namespace pipeline

// Muon (Jordan et al. 2024), as torch.optim.Muon with match_rms_adamw: momentum, then its nearest orthogonal matrix by five
// Newton-Schulz iterations, with a rate that gives updates the size of AdamW's (Liu et al. 2025, arXiv:2502.16982).
#include <cmath>

#include "boundary.h"
#include "steady.h"

namespace pipeline {

// Singular values of about 1 in place of the matrix's own; in `type`, as published in bfloat16.
static at::Tensor orthogonal(const at::Tensor &matrix, int64_t iterations, at::ScalarType type) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315, smallest = 1e-7;
  const bool is_tall = matrix.size(0) > matrix.size(1);
  auto x = matrix.to(type);
  if (is_tall) x = x.t();
  x = x / x.norm().clamp_min(smallest);
  for (int64_t i = 0; i < iterations; i++) {
    auto gram = at::mm(x, x.t());
    auto update = at::addmm(gram, gram, gram, b, c);
    x = at::addmm(x, update, x, a, 1);
  }
  return is_tall ? x.t() : x;
}

struct MuonStep {
  double rate, momentum, decay;
  int64_t iterations;
  at::ScalarType type;
  at::Tensor factor;    // of the gradients
  at::Tensor is_finite;  // otherwise nothing changes
};

static void muon_step(const MuonStep &step, at::Tensor weight, const at::Tensor &gradient, at::Tensor average) {
  auto scaled = gradient * step.factor;
  auto averaged = at::lerp(average, scaled, 1 - step.momentum);
  auto direction = orthogonal(at::lerp(scaled, averaged, step.momentum), step.iterations, step.type);
  const auto larger = static_cast<double>(std::max(weight.size(0), weight.size(1)));
  auto moved = weight * (1 - step.rate * step.decay) - direction.to(weight.scalar_type()) * (step.rate * 0.2 * std::sqrt(larger));
  weight.copy_(at::where(step.is_finite, moved, weight));
  average.copy_(at::where(step.is_finite, averaged, average));
}

static int muon(
    pt_tensor *const *weights, pt_tensor *const *gradients, pt_tensor *const *averages, const int64_t *parts, size_t count,
    double rate, double momentum, double decay, int64_t iterations, bool in_bfloat16, const pt_tensor *norm, double maximum,
    const pt_tensor *divisor, const pt_tensor *figure) {
  return guarded([&] {
    c10::NoGradGuard none;
    auto factor = maximum > 0 ? (maximum / (norm->value + 1e-6)).clamp_max(1.0) : at::ones_like(norm->value);
    if (divisor) factor = factor / divisor->value.reshape({}).to(factor.scalar_type());
    const MuonStep step{
        rate, momentum, decay, iterations, in_bfloat16 ? at::kBFloat16 : at::kFloat, factor.reshape({}).to(at::kFloat),
        at::isfinite(figure->value).reshape({})};
    std::vector<at::Tensor> w, g, m;
    for (size_t i = 0; i < count; i++) {
      auto of = [&](const pt_tensor *tensor, std::vector<at::Tensor> &to) {
        for (auto &part : tensor->value.detach().chunk(parts[i], 0)) to.push_back(part);
      };
      of(weights[i], w);
      of(gradients[i], g);
      of(averages[i], m);
    }
    const auto matrices = static_cast<int64_t>(w.size());
    auto some = [&](int64_t first, int64_t last) {
      for (auto i = first; i < last; i++) muon_step(step, w[i], g[i], m[i]);
    };
    // A matrix at a time on each thread of a CPU, so that the number of threads decides no sum's order.
    if (matrices > 0 && w[0].is_cpu()) steady::pieces(matrices, 1, some);
    else some(0, matrices);
  });
}

void add_muon_functions(pt_engine &engine) { engine.muon = muon; }

}  // namespace pipeline

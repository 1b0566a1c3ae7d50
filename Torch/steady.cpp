// Linear layers, norms and activations on the CPU, with gradients (see steady.h).
#include "steady.h"

#include <torch/csrc/autograd/custom_function.h>

namespace pipeline::steady {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

static constexpr int64_t rows_at_once = 128, columns_at_once = 16, values_at_once = 16384;

static at::Tensor matrix(const at::Tensor &x) { return x.reshape({-1, x.size(-1)}).contiguous(); }

// The sum over rows of each column of a(row, column), in double, in row order.
template <class Value>
static at::Tensor column_sums(int64_t rows, int64_t columns, Value &&value) {
  auto out = at::empty({columns}, at::kFloat);
  auto *to = out.data_ptr<float>();
  pieces(columns, columns_at_once, [&](int64_t first, int64_t last) {
    double sums[columns_at_once] = {};
    for (int64_t row = 0; row < rows; row++)
      for (int64_t column = first; column < last; column++) sums[column - first] += value(row, column);
    for (int64_t column = first; column < last; column++) to[column] = static_cast<float>(sums[column - first]);
  });
  return out;
}

static at::Tensor column_sums(const at::Tensor &x) {
  auto wide = x.to(at::kFloat).contiguous();
  const auto *from = wide.data_ptr<float>();
  const int64_t columns = wide.size(1);
  return column_sums(wide.size(0), columns, [=](int64_t row, int64_t column) { return from[row * columns + column]; })
      .to(x.scalar_type());
}

// MARK: Linear

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &given, const at::Tensor &weight, const MaybeTensor &bias) {
    auto x = matrix(given), across = weight.t();
    auto sizes = given.sizes().vec();
    sizes.back() = weight.size(0);
    auto out = at::empty({x.size(0), weight.size(0)}, x.options());
    pieces(x.size(0), rows_at_once, [&](int64_t first, int64_t last) {
      auto rows = x.slice(0, first, last), to = out.slice(0, first, last);
      if (bias) at::addmm_out(to, *bias, rows, across);
      else at::mm_out(to, rows, across);
    });
    context->save_for_backward({x, weight});
    context->saved_data["sizes"] = given.sizes().vec();
    context->saved_data["bias"] = bias.has_value();
    return out.view(sizes);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto &x = saved[0], &weight = saved[1];
    auto gradient = matrix(gradients[0]);
    variable_list out(3);
    if (context->needs_input_grad(0)) {
      auto to = at::empty_like(x);
      pieces(x.size(0), rows_at_once, [&](int64_t first, int64_t last) {
        auto rows = to.slice(0, first, last);
        at::mm_out(rows, gradient.slice(0, first, last), weight);
      });
      out[0] = to.view(context->saved_data["sizes"].toIntVector());
    }
    if (context->needs_input_grad(1)) {
      auto to = at::empty(weight.sizes(), weight.options());
      pieces(weight.size(0), weight.size(0) < 1024 ? 32 : 128, [&](int64_t first, int64_t last) {
        auto rows = to.slice(0, first, last);
        at::mm_out(rows, gradient.slice(1, first, last).t(), x);
      });
      out[1] = to;
    }
    // A missing bias is not an input.
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) out[2] = column_sums(gradient);
    return out;
  }
};

at::Tensor linear(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias) {
  return Linear::apply(x, weight, bias);
}

// MARK: Normalization

struct Norm : torch::autograd::Function<Norm> {
  static at::Tensor forward(
      AutogradContext *context, const at::Tensor &given, const at::Tensor &weight, const MaybeTensor &bias, double epsilon) {
    auto x = given.contiguous();
    // Row by row, so that the number of threads does not matter.
    auto [out, mean, scale] = at::native_layer_norm(x, {x.size(-1)}, weight, bias, epsilon);
    context->save_for_backward({x, weight, bias.value_or(at::Tensor()), mean, scale});
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto &x = saved[0], &weight = saved[1], &bias = saved[2];
    auto gradient = gradients[0].contiguous();
    variable_list out(4);
    if (context->needs_input_grad(0)) {
      auto shift = bias.defined() ? MaybeTensor(bias) : std::nullopt;
      out[0] = std::get<0>(at::native_layer_norm_backward(
          gradient, x, {x.size(-1)}, saved[3], saved[4], weight, shift, {true, false, false}));
    }
    const int64_t columns = x.size(-1), rows = x.numel() / columns;
    if (context->needs_input_grad(1)) {
      const auto *g = gradient.data_ptr<float>(), *value = x.data_ptr<float>();
      const auto *mean = saved[3].data_ptr<float>(), *scale = saved[4].data_ptr<float>();
      out[1] = column_sums(rows, columns, [=](int64_t row, int64_t column) {
        const int64_t place = row * columns + column;
        return g[place] * ((value[place] - mean[row]) * scale[row]);
      });
    }
    if (bias.defined() && context->needs_input_grad(2)) out[2] = column_sums(gradient.view({rows, columns}));
    return out;
  }
};

at::Tensor layer_norm(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias, double epsilon) {
  if (x.scalar_type() == at::kFloat) return Norm::apply(x, weight, bias, epsilon);
  auto shift = bias ? MaybeTensor(bias->to(at::kFloat)) : std::nullopt;
  return Norm::apply(x.to(at::kFloat), weight.to(at::kFloat), shift, epsilon).to(x.scalar_type());
}

// MARK: Activations: vectors and remainders are computed differently, so the pieces must always be the same

struct Gelu : torch::autograd::Function<Gelu> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &given) {
    auto x = given.contiguous(), out = at::empty_like(x), from = x.view({-1}), to = out.view({-1});
    pieces(x.numel(), values_at_once, [&](int64_t first, int64_t last) {
      auto part = to.slice(0, first, last);
      at::gelu_out(part, from.slice(0, first, last));
    });
    context->save_for_backward({x});
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto x = context->get_saved_variables()[0];
    auto gradient = gradients[0].contiguous().view({-1});
    auto out = at::empty_like(x), from = x.view({-1}), to = out.view({-1});
    pieces(x.numel(), values_at_once, [&](int64_t first, int64_t last) {
      auto part = to.slice(0, first, last);
      at::gelu_backward_out(part, gradient.slice(0, first, last), from.slice(0, first, last));
    });
    return {out};
  }
};

struct Tanh : torch::autograd::Function<Tanh> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &given) {
    auto x = given.contiguous(), out = at::empty_like(x), from = x.view({-1}), to = out.view({-1});
    pieces(x.numel(), values_at_once, [&](int64_t first, int64_t last) {
      auto part = to.slice(0, first, last);
      at::tanh_out(part, from.slice(0, first, last));
    });
    context->save_for_backward({out});
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto y = context->get_saved_variables()[0];
    auto gradient = gradients[0].contiguous().view({-1});
    auto out = at::empty_like(y), from = y.view({-1}), to = out.view({-1});
    pieces(y.numel(), values_at_once, [&](int64_t first, int64_t last) {
      auto part = to.slice(0, first, last);
      at::tanh_backward_out(part, gradient.slice(0, first, last), from.slice(0, first, last));
    });
    return {out};
  }
};

struct Geglu : torch::autograd::Function<Geglu> {
  static int64_t rows_of(int64_t columns) { return std::max<int64_t>(1, values_at_once / columns); }

  static at::Tensor forward(AutogradContext *context, const at::Tensor &given) {
    auto x = given.contiguous();
    auto sizes = x.sizes().vec();
    sizes.back() /= 2;
    auto out = at::empty(sizes, x.options());
    auto from = x.view({-1, 2 * sizes.back()}), to = out.view({-1, sizes.back()});
    pieces(from.size(0), rows_of(sizes.back()), [&](int64_t first, int64_t last) {
      auto halves = from.slice(0, first, last).chunk(2, -1);
      auto part = to.slice(0, first, last);
      at::mul_out(part, at::gelu(halves[0]), halves[1]);
    });
    context->save_for_backward({x});
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto x = context->get_saved_variables()[0];
    const int64_t columns = x.size(-1) / 2;
    auto gradient = gradients[0].contiguous().view({-1, columns});
    auto out = at::empty_like(x);
    auto from = x.view({-1, 2 * columns}), to = out.view({-1, 2 * columns});
    pieces(from.size(0), rows_of(columns), [&](int64_t first, int64_t last) {
      auto halves = from.slice(0, first, last).chunk(2, -1), parts = to.slice(0, first, last).chunk(2, -1);
      auto outside = gradient.slice(0, first, last);
      parts[0].copy_(at::gelu_backward(outside * halves[1], halves[0]));
      parts[1].copy_(outside * at::gelu(halves[0]));
    });
    return {out};
  }
};

at::Tensor gelu(const at::Tensor &x) { return Gelu::apply(x); }
at::Tensor tanh(const at::Tensor &x) { return Tanh::apply(x); }
at::Tensor geglu(const at::Tensor &x) { return Geglu::apply(x); }

}  // namespace pipeline::steady

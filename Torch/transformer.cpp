// The operations of a transformer, each as one call.
#include <cmath>

#include "boundary.h"

namespace pipeline {

static at::Tensor dropped(const at::Tensor &x, double probability, bool training) {
  return training && probability > 0 ? at::dropout(x, probability, true) : x;
}

static int dropout_add_norm(
    const pt_tensor *x, const pt_tensor *residual, const pt_tensor *weight, const pt_tensor *bias, double probability,
    bool training, double epsilon, pt_tensor **out) {
  return giving(out, [&] {
    auto sum = dropped(x->value, probability, training) + residual->value;
    return at::layer_norm(sum, {sum.size(-1)}, weight->value, maybe(bias), epsilon);
  });
}

static int geglu(const pt_tensor *x, double probability, bool training, pt_tensor **out) {
  return giving(out, [&] {
    auto halves = x->value.chunk(2, -1);
    return dropped(at::gelu(halves[0]) * halves[1], probability, training);
  });
}

// x·cos + rotated(x)·sin over the last dimension, halves swapped: the form of GPT-NeoX and nomic_bert.
static at::Tensor rotated(const at::Tensor &x, const at::Tensor &cosine, const at::Tensor &sine) {
  auto halves = x.chunk(2, -1);
  return x * cosine + at::cat({-halves[1], halves[0]}, -1) * sine;
}

static at::Tensor attended(
    const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, std::optional<at::Tensor> bias, double dropout) {
  // Named outright on the GPU: left to choose, torch may take the path that writes every score to memory.
  if (q.is_cuda() && q.scalar_type() == at::kBFloat16 && q.size(2) % 8 == 0) {
    if (bias) bias = bias->to(q.scalar_type()).expand({q.size(0), q.size(1), q.size(2), k.size(2)});
    bool training = c10::GradMode::is_enabled();
    return std::get<0>(at::_scaled_dot_product_cudnn_attention(q, k, v, bias, training, dropout, false, false));
  }
  return at::scaled_dot_product_attention(q, k, v, bias, dropout);
}

static int attention(
    const pt_tensor *qkv, int64_t batch, int64_t length, int64_t heads, const pt_tensor *bias, const pt_tensor *cosine,
    const pt_tensor *sine, double dropout, bool training, pt_tensor **out) {
  return giving(out, [&] {
    int64_t size = qkv->value.size(1) / (3 * heads);
    auto parts = qkv->value.view({batch, length, 3, heads, size}).permute({2, 0, 3, 1, 4}).unbind(0);
    if (cosine) {
      parts[0] = rotated(parts[0], cosine->value, sine->value);
      parts[1] = rotated(parts[1], cosine->value, sine->value);
    }
    auto context = attended(parts[0], parts[1], parts[2], maybe(bias), training ? dropout : 0);
    return context.transpose(1, 2).reshape({batch * length, heads * size});
  });
}

static int cross_entropy(const pt_tensor *logits, const pt_tensor *labels, int64_t ignored, bool sum, pt_tensor **out) {
  return giving(out, [&] {
    return at::cross_entropy_loss(
        logits->value.to(at::kFloat), labels->value, {}, sum ? at::Reduction::Sum : at::Reduction::Mean, ignored);
  });
}

void add_transformer_functions(pt_engine &engine) {
  engine.embedding = [](const pt_tensor *weight, const pt_tensor *ids, int64_t padding, pt_tensor **out) {
    return giving(out, [&] { return at::embedding(weight->value, ids->value, padding); });
  };
  engine.linear = [](const pt_tensor *x, const pt_tensor *weight, const pt_tensor *bias, pt_tensor **out) {
    return giving(out, [&] { return at::linear(x->value, weight->value, maybe(bias)); });
  };
  engine.layer_norm = [](const pt_tensor *x, const pt_tensor *weight, const pt_tensor *bias, double epsilon, pt_tensor **out) {
    return giving(out, [&] { return at::layer_norm(x->value, {x->value.size(-1)}, weight->value, maybe(bias), epsilon); });
  };
  engine.dropout = [](const pt_tensor *x, double probability, bool training, pt_tensor **out) {
    return giving(out, [&] { return dropped(x->value, probability, training); });
  };
  engine.dropout_add_norm = dropout_add_norm;
  engine.geglu = geglu;
  engine.attention = attention;
  engine.cross_entropy = cross_entropy;
}

}  // namespace pipeline

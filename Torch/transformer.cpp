// The operations of a transformer, each as one call.
#include "boundary.h"
#include "operations.h"

namespace pipeline {

static int dropout_add_norm_call(
    const pt_tensor *x, const pt_tensor *residual, const pt_tensor *rows, const pt_tensor *weight, const pt_tensor *bias,
    double probability, bool training, double epsilon, pt_tensor **out) {
  return guarded([&] {
    auto &other = residual->twin.defined() ? residual->twin : residual->value;
    auto [normed, twin] = pipeline::dropout_add_norm(
        x->value, other, weight->value, maybe(bias), probability, training, epsilon, maybe(rows));
    *out = new pt_tensor{normed, twin};
  });
}

static int attention_call(
    const pt_tensor *qkv, int64_t batch, int64_t length, int64_t heads, const pt_tensor *bias, const pt_tensor *cosine,
    const pt_tensor *sine, const pt_tensor *samples, double probability, bool training, pt_tensor **out) {
  return giving(out, [&] {
    return pipeline::attention(
        qkv->value, batch, length, heads, maybe(bias), maybe(cosine), maybe(sine), probability, training, maybe(samples));
  });
}

void add_transformer_functions(pt_engine &engine) {
  engine.embedding = [](const pt_tensor *weight, const pt_tensor *ids, int64_t padding, pt_tensor **out) {
    return giving(out, [&] { return at::embedding(weight->value, ids->value, padding); });
  };
  engine.linear = [](const pt_tensor *x, const pt_tensor *weight, const pt_tensor *bias, pt_tensor **out) {
    return giving(out, [&] { return pipeline::linear(x->value, weight->value, maybe(bias)); });
  };
  engine.layer_norm = [](const pt_tensor *x, const pt_tensor *weight, const pt_tensor *bias, double epsilon, pt_tensor **out) {
    return giving(out, [&] { return pipeline::layer_norm(x->value, weight->value, maybe(bias), epsilon); });
  };
  engine.dropout = [](const pt_tensor *x, const pt_tensor *rows, double probability, bool training, pt_tensor **out) {
    return giving(out, [&] { return pipeline::dropout(x->value, probability, training, maybe(rows)); });
  };
  engine.dropout_add_norm = dropout_add_norm_call;
  engine.geglu = [](const pt_tensor *x, const pt_tensor *rows, double probability, bool training, pt_tensor **out) {
    return giving(out, [&] { return pipeline::geglu(x->value, probability, training, maybe(rows)); });
  };
  engine.attention = attention_call;
  engine.separation = [](const pt_tensor *segments, int32_t dtype, pt_tensor **out) {
    return giving(out, [&] {
      auto &of = segments->value;
      auto differ = of.unsqueeze(2).ne(of.unsqueeze(1)).unsqueeze(1);
      return at::zeros(differ.sizes(), of.options().dtype(scalar_type(dtype))).masked_fill_(differ, -10000.0);
    });
  };
  engine.takes_segments = [](const pt_tensor *x) { return pipeline::takes_segments(x->value); };
  engine.segmented_attention = [](const pt_tensor *qkv, int64_t length, int64_t heads, const pt_tensor *bounds,
                                  const pt_tensor *slopes, pt_tensor **out) {
    return giving(out, [&] {
      return pipeline::segmented_attention(qkv->value, length, heads, maybe(bounds), maybe(slopes));
    });
  };
  engine.cross_entropy = [](const pt_tensor *logits, const pt_tensor *labels, int64_t ignored, bool sum, pt_tensor **out) {
    return giving(out, [&] { return pipeline::cross_entropy(logits->value, labels->value, ignored, sum); });
  };
}

}  // namespace pipeline

// Dropout on the CPU that does not depend on threads or microbatches: the dropped values are a function of the step's
// seed, the index of the dropout within the model, the row's id and the column.
#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <mutex>
#include <vector>

#include "steady.h"

namespace pipeline::steady {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Eight 16-bit numbers from Philox4x32 (Salmon et al. 2011) with 7 rounds, as in the GPU kernels.
struct Bits {
  uint32_t words[4];
  uint32_t number(int i) const { return i % 2 == 0 ? words[i / 2] & 0xffffu : words[i / 2] >> 16; }
};

static Bits random_bits(uint64_t seed, uint64_t row, uint64_t column) {
  uint32_t c[4] = {
      static_cast<uint32_t>(column), static_cast<uint32_t>(column >> 32), static_cast<uint32_t>(row),
      static_cast<uint32_t>(row >> 32)};
  auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 7; round++) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0], b = uint64_t{0xCD9E8D57u} * c[2];
    const uint32_t next[4] = {
        static_cast<uint32_t>(b >> 32) ^ c[1] ^ key0, static_cast<uint32_t>(b),
        static_cast<uint32_t>(a >> 32) ^ c[3] ^ key1, static_cast<uint32_t>(a)};
    std::copy(next, next + 4, c);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{c[0], c[1], c[2], c[3]}};
}

static uint64_t next_seed() {
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  return at::check_generator<at::CPUGeneratorImpl>(generator)->random64();
}

// 0 for dropped values, otherwise the scale that compensates for them.
template <class Name>
static void fill_mask(float *mask, int64_t rows, int64_t columns, double probability, uint64_t seed, Name &&name) {
  const auto threshold = static_cast<uint32_t>(std::lround(probability * 65536));
  const float kept = threshold < 65536 ? 65536.0f / static_cast<float>(65536 - threshold) : 0;
  pieces(rows, 64, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; row++) {
      float *to = mask + row * columns;
      const uint64_t named = name(row);
      for (int64_t column = 0; column < columns; column += 8) {
        const Bits bits = random_bits(seed, named, column / 8);
        const int count = static_cast<int>(std::min<int64_t>(8, columns - column));
        for (int i = 0; i < count; i++) to[column + i] = bits.number(i) < threshold ? 0 : kept;
      }
    }
  });
}

at::Tensor dropout(const at::Tensor &x, const MaybeTensor &rows, double probability) {
  const int64_t columns = x.size(-1), count = x.numel() / columns;
  auto mask = at::empty(x.sizes(), at::kFloat);
  const int64_t *names = nullptr;
  at::Tensor kept;
  if (rows) {
    TORCH_CHECK(rows->numel() == count, "dropout names ", rows->numel(), " rows of ", count);
    kept = rows->contiguous();
    names = kept.data_ptr<int64_t>();
  }
  fill_mask(mask.data_ptr<float>(), count, columns, probability, next_seed(), [=](int64_t row) {
    return static_cast<uint64_t>(names ? names[row] : row);
  });
  return x * mask.to(x.scalar_type());
}

// MARK: Attention

struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(
      AutogradContext *context, const at::Tensor &query, const at::Tensor &key, const at::Tensor &value,
      const MaybeTensor &bias, const MaybeTensor &samples, double probability) {
    auto q = query.contiguous(), k = key.contiguous(), v = value.contiguous();
    const int64_t batch = q.size(0), heads = q.size(1), length = q.size(2);
    auto mask = at::empty({batch, heads, length, length}, at::kFloat);
    std::vector<int64_t> names(batch);
    for (int64_t i = 0; i < batch; i++) names[i] = samples ? (*samples)[i].item<int64_t>() : i;
    fill_mask(mask.data_ptr<float>(), batch * heads * length, length, probability, next_seed(), [&](int64_t row) {
      const int64_t head = row / length;
      return static_cast<uint64_t>((names[head / heads] * heads + head % heads) << 24 | row % length);
    });
    mask = mask.to(q.scalar_type());
    auto weights = at::empty({batch, heads, length, length}, q.options()), out = at::empty_like(q);
    auto added = bias ? bias->to(q.scalar_type()).expand({batch, heads, length, length}) : at::Tensor();
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
    pieces(batch * heads, 1, [&](int64_t first, int64_t) {
      const int64_t i = first / heads, h = first % heads;
      auto scores = at::mm(q[i][h], k[i][h].t()) * scale;
      if (added.defined()) scores = scores + added[i][h];
      weights[i][h].copy_(at::softmax(scores, -1));
      auto to = out[i][h];
      at::mm_out(to, weights[i][h] * mask[i][h], v[i][h]);
    });
    context->save_for_backward({q, k, v, weights, mask});
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto &q = saved[0], &k = saved[1], &v = saved[2], &weights = saved[3], &mask = saved[4];
    auto gradient = gradients[0].contiguous();
    auto to_q = at::empty_like(q), to_k = at::empty_like(k), to_v = at::empty_like(v);
    const int64_t heads = q.size(1);
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
    pieces(q.size(0) * heads, 1, [&](int64_t first, int64_t) {
      const int64_t i = first / heads, h = first % heads;
      auto kept = weights[i][h] * mask[i][h];
      to_v[i][h].copy_(at::mm(kept.t(), gradient[i][h]));
      auto outside = at::mm(gradient[i][h], v[i][h].t()) * mask[i][h];
      auto scores = weights[i][h] * (outside - (outside * weights[i][h]).sum(-1, true)) * scale;
      to_q[i][h].copy_(at::mm(scores, k[i][h]));
      to_k[i][h].copy_(at::mm(scores.t(), q[i][h]));
    });
    return {to_q, to_k, to_v, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

at::Tensor attention(
    const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, const MaybeTensor &bias, const MaybeTensor &samples,
    double probability) {
  return Attention::apply(q, k, v, bias, samples, probability);
}

}  // namespace pipeline::steady

// The operations of a transformer on tensors: fused kernels on a GPU, otherwise compositions of torch's operations.
// Both have gradients.
#pragma once
#include <ATen/ATen.h>

#include <optional>
#include <tuple>

namespace pipeline {

using MaybeTensor = std::optional<at::Tensor>;

at::Tensor linear(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias);
at::Tensor layer_norm(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias, double epsilon);
at::Tensor gelu(const at::Tensor &x);
at::Tensor tanh(const at::Tensor &x);

// The dropped values depend on the generator's state, the column and the row's id: its entry in `rows` (int64, one per
// row) if given, otherwise its index. So a batch that is divided differently drops the same values.
at::Tensor dropout(const at::Tensor &x, double probability, bool training, const MaybeTensor &rows = {});

// layer_norm(dropout(x) + residual), returned twice: the second result has the same values, for the next residual. The
// kernel itself adds the gradients of both.
std::tuple<at::Tensor, at::Tensor> dropout_add_norm(
    const at::Tensor &x, const at::Tensor &residual, const at::Tensor &weight, const MaybeTensor &bias,
    double probability, bool training, double epsilon, const MaybeTensor &rows = {});

at::Tensor geglu(const at::Tensor &x, double probability, bool training, const MaybeTensor &rows = {});

// `samples` [batch] are the sequences' ids for dropout; on a GPU, their indices are used instead.
at::Tensor attention(
    const at::Tensor &qkv, int64_t batch, int64_t length, int64_t heads, const MaybeTensor &bias,
    const MaybeTensor &cosine, const MaybeTensor &sine, double probability, bool training, const MaybeTensor &samples = {});

// Whether segmented_attention takes tensors of this type on this device.
bool takes_segments(const at::Tensor &x);
// Attention of tokens to the tokens of their own segment, with heads of size 64, on a GPU: [tokens, 3·heads·64] →
// [tokens, heads·64]. `bounds` [2, tokens] (int32): where each token's segment begins and ends; without them segments have
// `length` tokens. `slopes` [heads] (float): what scores lose per token of distance.
at::Tensor segmented_attention(
    const at::Tensor &qkv, int64_t length, int64_t heads, const MaybeTensor &bounds, const MaybeTensor &slopes);
// Turns queries and keys of qkv [tokens, 3·heads·d] by their tokens' positions [tokens] (int64): `cosine` and `sine` are
// float [positions, d/2], and the halves of a head are pairs. On a GPU qkv itself is changed.
at::Tensor rotary_positions(
    const at::Tensor &qkv, int64_t heads, const at::Tensor &cosine, const at::Tensor &sine, const at::Tensor &positions);
// x + residual, and layer_norm of it.
std::tuple<at::Tensor, at::Tensor> add_norm(
    const at::Tensor &x, const at::Tensor &residual, const at::Tensor &weight, const MaybeTensor &bias, double epsilon);
at::Tensor cross_entropy(const at::Tensor &logits, const at::Tensor &labels, int64_t ignored, bool sum);

}  // namespace pipeline

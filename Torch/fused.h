// The fused kernels as functions with gradients. Callers first check whether the kernels support their tensors.
#pragma once
#include "operations.h"

namespace pipeline::fused {

// On a GPU, in bf16 or fp32, with rows that are multiples of 16-byte vectors.
bool takes(const at::Tensor &x);
bool takes_norm(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias);
bool takes_linear(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias);
bool takes_attention(const at::Tensor &qkv, int64_t length, const MaybeTensor &bias);

// x [rows, inner] · weight, which is [outer, inner] if it is transposed and [inner, outer] if not, plus a bias [outer]; no
// function with a gradient (see products.cpp).
at::Tensor product(const at::Tensor &x, const at::Tensor &weight, bool is_transposed, const MaybeTensor &bias = {});
at::Tensor linear(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias);
at::Tensor layer_norm(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias, double epsilon);
std::tuple<at::Tensor, at::Tensor> dropout_add_norm(
    const at::Tensor &x, const at::Tensor &residual, const at::Tensor &weight, const MaybeTensor &bias,
    double probability, double epsilon, const MaybeTensor &rows);
at::Tensor geglu(const at::Tensor &x, double probability, const MaybeTensor &rows);
at::Tensor dropout(const at::Tensor &x, double probability, const MaybeTensor &rows);
at::Tensor attention(
    const at::Tensor &qkv, int64_t batch, int64_t length, int64_t heads, const MaybeTensor &bias, double probability);
// For heads of size 64, without dropout.
bool takes_segments(const at::Tensor &x);
at::Tensor segmented_attention(
    const at::Tensor &qkv, int64_t length, int64_t heads, const MaybeTensor &bounds, const MaybeTensor &slopes);
// In place.
bool takes_rotary(const at::Tensor &qkv, int64_t heads, const at::Tensor &cosine);
at::Tensor rotary_positions(
    const at::Tensor &qkv, int64_t heads, const at::Tensor &cosine, const at::Tensor &sine, const at::Tensor &positions);
std::tuple<at::Tensor, at::Tensor> add_norm(
    const at::Tensor &x, const at::Tensor &residual, const at::Tensor &weight, const MaybeTensor &bias, double epsilon);
at::Tensor cross_entropy(const at::Tensor &logits, const at::Tensor &labels, int64_t ignored, bool sum);

}  // namespace pipeline::fused

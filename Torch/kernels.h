// Fused kernels of a transformer on a GPU: each reads its inputs once and writes its results once.
//
// Tensors are contiguous rows of `columns` values with one element type; statistics and sums are fp32. Every row is a
// multiple of 16 bytes (see `vector_size`), so that all memory accesses are 16-byte vectors. Every sum has a fixed
// order: the same inputs give the same bits.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

namespace pipeline {

enum class Element { bfloat16, float32 };

constexpr int vector_size(Element element) { return element == Element::bfloat16 ? 8 : 4; }

// Selects the dropped values: a function of the generator's state, the row's id and the column, so that the backward
// pass recomputes them instead of storing them. During CUDA graph capture, seed and offset are in device memory.
struct Dropout {
  uint32_t threshold = 0;  // of 65536; 0 drops nothing
  float scale = 1;         // of the kept values
  uint64_t seed = 0, offset = 0;
  const int64_t *seed_address = nullptr, *offset_address = nullptr;
  // The rows' ids; null: their indices.
  const int64_t *rows = nullptr;
};

struct Matrix {
  Element element;
  int64_t rows, columns;
};

// gated [rows, 2·columns] → out [rows, columns]: dropout(gelu(gated[:, :columns]) · gated[:, columns:])
void geglu_forward(Matrix shape, const void *gated, void *out, Dropout dropout, cudaStream_t stream);
void geglu_backward(
    Matrix shape, const void *gradient, const void *gated, void *gated_gradient, Dropout dropout, cudaStream_t stream);

// out = dropout(x); the backward pass applies the same function to the gradient.
void drop_rows(Matrix shape, const void *x, void *out, Dropout dropout, cudaStream_t stream);

// out = norm(sum)·weight + bias with sum = dropout(x) + residual. `residual` and `bias` may be null; `sum` may be null
// if x is the sum. `mean` and `scale` (1/deviation) are [rows].
constexpr int64_t norm_columns_limit(Element element) { return 8 * 32 * vector_size(element); }
struct NormForward {
  const void *x, *residual, *weight, *bias;
  void *sum, *out;
  float *mean, *scale;
  float epsilon;
};
void norm_forward(Matrix shape, NormForward tensors, Dropout dropout, cudaStream_t stream);

// `gradient` and `gradient2` (may be null) are added; `x_gradient` may be null without dropout.
// `partial` is [norm_backward_blocks, 2·columns].
int64_t norm_backward_blocks(Matrix shape);
struct NormBackward {
  const void *gradient, *gradient2, *sum, *weight;
  const float *mean, *scale;
  void *sum_gradient, *x_gradient;
  float *partial;
};
void norm_backward(Matrix shape, NormBackward tensors, Dropout dropout, cudaStream_t stream);

// Sums over rows. `partial` is [column_sum_blocks, columns].
int64_t column_sum_blocks(int64_t rows);
void column_sum(Matrix shape, const void *x, float *partial, void *out, cudaStream_t stream);
// partial [rows, columns] in fp32 → out [columns]
void sum_partials(Matrix shape, const float *partial, void *out, cudaStream_t stream);

// Attention in bf16 over sequences of at most 128 tokens, a multiple of 8, with heads of size 64. qkv is
// [batch·length, 3·heads·64]; out and gradient are [batch·length, heads·64]. The bias may be null; its strides are
// multiples of 8 values, and its keys are contiguous.
struct ShortAttention {
  const void *qkv, *bias, *gradient;
  void *out, *qkv_gradient;
  int64_t batch, heads;
  int length;
  int64_t bias_batch, bias_head, bias_row;
};
void attention_forward(ShortAttention tensors, cudaStream_t stream);
void attention_backward(ShortAttention tensors, cudaStream_t stream);

// Attention in bf16 of tokens to the tokens of their own segment, with heads of size 64. qkv is [tokens, 3·heads·64]; out and
// gradient are [tokens, heads·64]. `bounds` [2, tokens]: where begins and ends what each token attends to, its segment or a
// window of it; both rise, and a token attends to those that attend to it. Null: segments of `length` tokens. `slopes` [heads], or null: a score loses as much per token of distance. `log_sum` and `product`
// [heads, tokens] are the base-2 logarithms of the sums of weights, and what the backward pass needs beside them.
struct SegmentedAttention {
  const void *qkv, *gradient, *out_read;
  void *out, *qkv_gradient;
  const int32_t *bounds;
  const float *slopes;
  float *log_sum, *product;
  int64_t tokens, heads, length;
};
void segmented_attention_forward(SegmentedAttention tensors, cudaStream_t stream);
void segmented_attention_backward(SegmentedAttention tensors, cudaStream_t stream);

// The same on Hopper's tensor cores, where the device has them; the backward pass begins after the products.
bool has_hopper_attention(int64_t tokens);
void hopper_segmented_forward(SegmentedAttention tensors, cudaStream_t stream);
void hopper_segmented_backward(SegmentedAttention tensors, cudaStream_t stream);

// Rotary positions of queries and keys in qkv [tokens, 3·heads·size], in place: the halves of each head are turned against
// each other by the angles of the token's position, and turned back for gradients. `cosine` and `sine` are
// [positions, size/2]; `size` is a multiple of two vectors.
struct Rotary {
  void *qkv;
  const float *cosine, *sine;
  const int64_t *positions;
  int64_t tokens, heads;
  int size;
  bool backward;
};
void rotary(Element element, const Rotary &tensors, cudaStream_t stream);

// Cross-entropy over rows of logits. `loss` and `log_sum` are [rows]; the total is {loss, counted rows}: the sum of
// losses, or their mean. Rows with the label `ignored` do not count; a label outside the classes gives NaN.
void cross_entropy_forward(
    Matrix shape, const void *logits, const int64_t *labels, int64_t ignored, bool mean, float *loss, float *log_sum,
    float *total, cudaStream_t stream);
void cross_entropy_backward(
    Matrix shape, const void *logits, const int64_t *labels, int64_t ignored, bool mean, const float *log_sum,
    const float *total, const float *gradient, void *logits_gradient, cudaStream_t stream);

// Parts of flat fp32 tensors in blocks of as many numbers: where a part begins, the number of its first block among all
// blocks, and the blocks of the parts before it. Parts begin at multiples of `block`.
struct BlockParts {
  static constexpr int block = 4096, limit = 32;
  int count = 0;
  int64_t blocks = 0;
  int64_t start[limit], name[limit], before[limit];
};

// squares[n] is the sum of squares of block n; the norm is the root of the sum of all.
void block_squares(const BlockParts &parts, const float *values, float *squares, cudaStream_t stream);
void root_of_sum(const float *squares, int64_t count, float *norm, cudaStream_t stream);

// One step of AdamW with decoupled decay. Gradients are divided by `divisor` (may be null) and scaled down to the norm
// `maximum` (0: not) on the way. Nothing changes if the figure is not finite. `rate` has the first moment's correction in
// it, `kept` is what the decay leaves, and `correction2` is that of the second moment's root. `copies` are bf16.
struct AdamWBlocks {
  float *weights, *first, *second;
  const float *gradients;
  void *copies;
  const float *norm, *divisor;
  const double *figure;
  float rate, kept, beta1, rest1, beta2, rest2, correction2, epsilon, maximum;
};
void adamw_blocks(const BlockParts &parts, const AdamWBlocks &tensors, cudaStream_t stream);

}  // namespace pipeline

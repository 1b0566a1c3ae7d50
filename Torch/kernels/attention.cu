// Attention over sequences of at most 128 tokens with heads of size 64: a block holds a complete head, so that scores
// never leave it. The backward pass recomputes the scores and needs neither the result nor its logarithms.
#include "tiles.cuh"

namespace pipeline {

constexpr int longest = 128, head_size = 64, warps = 8;

// The work of a warp: query 16·warp and the following 15, against all keys.
struct Place {
  int length, first, g, t;
  __device__ explicit Place(int length)
      : length(length), first(threadIdx.x / 32 * 16), g(threadIdx.x % 32 / 4), t(threadIdx.x % 4) {}
};

__device__ inline float low(uint32_t pair) { return __uint_as_float(pair << 16); }
__device__ inline float high(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

// Replaces scores by exp(score − maximum of the row); returns the sums of rows g and g + 8.
__device__ inline float2 exponentials(Sums (&scores)[16], Tile<128> bias, bool has_bias, Place at) {
  constexpr float to_binary = 1.44269504f, scale = 0.125f * to_binary;
  float highest[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
  const uint32_t place = bias.chunk(at.first + at.g, 0) + 4 * at.t;
#pragma unroll
  for (int n = 0; n < 16; n++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int query = at.first + at.g + 8 * half;
      const uint32_t shift = has_bias && query < at.length && n * 8 < at.length ? read_pair((place ^ (n << 4)) + half * 8 * Tile<128>::row_bytes) : 0;
      float &a = scores[n][2 * half], &b = scores[n][2 * half + 1];
      a = n * 8 < at.length ? fmaf(a, scale, low(shift) * to_binary) : -INFINITY;
      b = n * 8 < at.length ? fmaf(b, scale, high(shift) * to_binary) : -INFINITY;
      highest[half] = fmaxf(highest[half], fmaxf(a, b));
    }
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    highest[half] = quad_highest(highest[half]);
#pragma unroll
    for (int n = 0; n < 16; n++) {
      float &a = scores[n][2 * half], &b = scores[n][2 * half + 1];
      a = power_of_two(a - highest[half]);
      b = power_of_two(b - highest[half]);
      sum[half] += a + b;
    }
    sum[half] = quad_sum(sum[half]);
  }
  return make_float2(sum[0], sum[1]);
}

// 16 columns of a [16, 128] matrix stored as pairs: [chunk][row half].
__device__ inline Fragment left_of(const uint32_t (&pairs)[16][2], int step) {
  return {{pairs[2 * step][0], pairs[2 * step][1], pairs[2 * step + 1][0], pairs[2 * step + 1][1]}};
}

__device__ inline const bf16 *bias_of(const ShortAttention &to, int64_t batch, int head) {
  return static_cast<const bf16 *>(to.bias) + batch * to.bias_batch + head * to.bias_head;
}

__device__ inline Tile<64> tile(int number) {
  extern __shared__ __align__(1024) bf16 shared[];
  return {static_cast<uint32_t>(__cvta_generic_to_shared(shared)) + number * longest * Tile<64>::row_bytes};
}

// `is_full`: all sequences have 128 tokens, so no comparisons are needed.
template <bool is_full>
__global__ void __launch_bounds__(32 * warps, 2) attention_forward_kernel(ShortAttention to) {
  const int length = is_full ? longest : to.length;
  const Tile<64> q = tile(0), k = tile(1), v = tile(2);
  const Tile<128> bias{tile(3).base};
  const int64_t batch = blockIdx.x / to.heads, out_row = to.heads * head_size, row = 3 * out_row;
  const int head = static_cast<int>(blockIdx.x % to.heads);
  const bf16 *from = static_cast<const bf16 *>(to.qkv) + batch * length * row + head * head_size;
  fetch(q, from, row, length);
  fetch(k, from + out_row, row, length);
  if (to.bias) fetch(bias, bias_of(to, batch, head), to.bias_row, length, length);
  end_of_group();
  fetch(v, from + 2 * out_row, row, length);
  end_of_group();
  fetched<1>();

  const Place at(length);
  Sums scores[16] = {};
  multiply_rows(scores, q, at.first, k);
  const float2 sum = exponentials(scores, bias, to.bias != nullptr, at);
  fetched<0>();
  Sums out[8] = {};
  const Columns columns(v);
#pragma unroll
  for (int step = 0; step < 8; step++) {
    const Fragment left = {{packed(scores[2 * step][0], scores[2 * step][1]), packed(scores[2 * step][2], scores[2 * step][3]),
                            packed(scores[2 * step + 1][0], scores[2 * step + 1][1]),
                            packed(scores[2 * step + 1][2], scores[2 * step + 1][3])}};
    multiply_step(out, left, columns, step);
  }
  bf16 *result = static_cast<bf16 *>(to.out) + batch * length * out_row + head * head_size;
  write_rows(out, q, result, out_row, at.first, length, 1 / sum.x, 1 / sum.y);
}

// Writes the warp's rows of a [128, 128] matrix over the bias: each lane where it has read.
__device__ inline void put(Tile<128> to, const uint32_t (&pairs)[16][2], Place at) {
  const uint32_t place = to.chunk(at.first + at.g, 0) + 4 * at.t;
#pragma unroll
  for (int n = 0; n < 16; n++) {
    write_pair(place ^ (n << 4), pairs[n][0]);
    write_pair((place ^ (n << 4)) + 8 * Tile<128>::row_bytes, pairs[n][1]);
  }
}

template <bool is_full>
__global__ void __launch_bounds__(32 * warps, 2) attention_backward_kernel(ShortAttention to) {
  const int length = is_full ? longest : to.length;
  const Tile<64> q = tile(0), k = tile(1), v = tile(2), d = tile(3);
  const Tile<128> square{tile(4).base};  // the bias, then the weights, then the scores' gradient
  const int64_t batch = blockIdx.x / to.heads, out_row = to.heads * head_size, row = 3 * out_row;
  const int head = static_cast<int>(blockIdx.x % to.heads);
  const int64_t place = batch * length * row + head * head_size;
  const bf16 *from = static_cast<const bf16 *>(to.qkv) + place;
  fetch(q, from, row, length);
  fetch(k, from + out_row, row, length);
  if (to.bias) fetch(square, bias_of(to, batch, head), to.bias_row, length, length);
  end_of_group();
  fetch(v, from + 2 * out_row, row, length);
  fetch(d, static_cast<const bf16 *>(to.gradient) + batch * length * out_row + head * head_size, out_row, length);
  end_of_group();
  fetched<1>();

  const Place at(length);
  uint32_t pairs[16][2];
  {
    Sums scores[16] = {};
    multiply_rows(scores, q, at.first, k);
    const float2 sum = exponentials(scores, square, to.bias != nullptr, at);
    // Queries beyond the sequence have weight 0.
    const float scale0 = at.first + at.g < length ? 1 / sum.x : 0, scale1 = at.first + at.g + 8 < length ? 1 / sum.y : 0;
#pragma unroll
    for (int n = 0; n < 16; n++) {
      pairs[n][0] = packed(scores[n][0] * scale0, scores[n][1] * scale0);
      pairs[n][1] = packed(scores[n][2] * scale1, scores[n][3] * scale1);
    }
  }
  put(square, pairs, at);
  fetched<0>();
  {
    Sums gradient[16] = {};  // of the weights
    multiply_rows(gradient, d, at.first, v);
    float mean[2] = {0, 0};
#pragma unroll
    for (int n = 0; n < 16; n++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        mean[half] = fmaf(low(pairs[n][half]), gradient[n][2 * half], mean[half]);
        mean[half] = fmaf(high(pairs[n][half]), gradient[n][2 * half + 1], mean[half]);
      }
    }
    mean[0] = quad_sum(mean[0]);
    mean[1] = quad_sum(mean[1]);
#pragma unroll
    for (int n = 0; n < 16; n++) {
#pragma unroll
      for (int half = 0; half < 2; half++)
        pairs[n][half] = packed(
            low(pairs[n][half]) * (gradient[n][2 * half] - mean[half]),
            high(pairs[n][half]) * (gradient[n][2 * half + 1] - mean[half]));
    }
  }
  __syncthreads();  // v has been read; the weights have been in the square since the last wait
  bf16 *result = static_cast<bf16 *>(to.qkv_gradient) + place;
  constexpr float scale = 0.125f;
  {
    Sums sums[8] = {};
    multiply_columns(sums, square, at.first, d);
    write_rows(sums, v, result + 2 * out_row, row, at.first, length, 1, 1);
  }
  __syncthreads();  // the weights and d have been read
  put(square, pairs, at);
  {
    Sums sums[8] = {};
    const Columns columns(k);
#pragma unroll
    for (int step = 0; step < 8; step++) multiply_step(sums, left_of(pairs, step), columns, step);
    write_rows(sums, d, result, row, at.first, length, scale, scale);
  }
  __syncthreads();
  Sums sums[8] = {};
  multiply_columns(sums, square, at.first, q);
  write_rows(sums, v, result + out_row, row, at.first, length, scale, scale);
}

static void launch(void (*kernel)(ShortAttention), const ShortAttention &tensors, int tiles, cudaStream_t stream) {
  const int bytes = tiles * longest * 64 * static_cast<int>(sizeof(bf16));
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  kernel<<<tensors.batch * tensors.heads, 32 * warps, bytes, stream>>>(tensors);
  launched("attention");
}

void attention_forward(ShortAttention tensors, cudaStream_t stream) {
  const bool is_full = tensors.length == longest;
  launch(is_full ? attention_forward_kernel<true> : attention_forward_kernel<false>, tensors, 5, stream);
}

void attention_backward(ShortAttention tensors, cudaStream_t stream) {
  const bool is_full = tensors.length == longest;
  launch(is_full ? attention_backward_kernel<true> : attention_backward_kernel<false>, tensors, 6, stream);
}

}  // namespace pipeline

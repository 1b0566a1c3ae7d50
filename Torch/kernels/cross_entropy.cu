// Cross-entropy over a large vocabulary: the logits are read once forward and once backward, without an fp32 copy.
#include "vector.cuh"

namespace pipeline {

constexpr int threads = 512;

// The sum of exp(x − maximum), which can be combined with another one without overflow.
struct ExponentialSum {
  float highest = -INFINITY, sum = 0;

  __device__ void join(float other_highest, float other_sum) {
    float common = fmaxf(highest, other_highest);
    if (common == -INFINITY) return;
    sum = sum * __expf(highest - common) + other_sum * __expf(other_highest - common);
    highest = common;
  }
};

template <class T>
__global__ void __launch_bounds__(threads) cross_entropy_forward_kernel(
    const T *logits, const int64_t *labels, int64_t ignored, float *loss, float *log_sum, int columns) {
  constexpr int size = Vector<T>::size;
  const int64_t row = blockIdx.x;
  const T *from = logits + row * columns;
  ExponentialSum own;
#pragma unroll 4
  for (int v = threadIdx.x; v < columns / size; v += threads) {
    Vector<T> x = load(from + v * size);
    float highest = x.at[0], sum = 0;
#pragma unroll
    for (int i = 1; i < size; i++) highest = fmaxf(highest, x.at[i]);
    if (highest == -INFINITY) continue;
#pragma unroll
    for (int i = 0; i < size; i++) sum += __expf(x.at[i] - highest);
    own.join(highest, sum);
  }
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2)
    own.join(__shfl_xor_sync(0xffffffffu, own.highest, lane), __shfl_xor_sync(0xffffffffu, own.sum, lane));
  __shared__ float highest[threads / 32], sum[threads / 32];
  if (threadIdx.x % 32 == 0) {
    highest[threadIdx.x / 32] = own.highest;
    sum[threadIdx.x / 32] = own.sum;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < threads / 32; warp++) own.join(highest[warp], sum[warp]);
  const float logarithm = own.highest + logf(own.sum);
  const int64_t label = labels[row];
  log_sum[row] = logarithm;
  if (label == ignored)
    loss[row] = 0;
  else
    loss[row] = label < 0 || label >= columns ? NAN : logarithm - static_cast<float>(from[label]);
}

__global__ void total_kernel(const float *loss, const int64_t *labels, int64_t ignored, bool mean, float *total, int64_t rows) {
  __shared__ float losses[32], counts[32];
  float sum = 0, count = 0;
  for (int64_t row = threadIdx.x; row < rows; row += blockDim.x) {
    sum += loss[row];
    count += labels[row] != ignored;
  }
  sum = warp_sum(sum);
  count = warp_sum(count);
  if (threadIdx.x % 32 == 0) {
    losses[threadIdx.x / 32] = sum;
    counts[threadIdx.x / 32] = count;
  }
  __syncthreads();
  if (threadIdx.x >= 32) return;
  sum = warp_sum(losses[threadIdx.x]);
  count = warp_sum(counts[threadIdx.x]);
  if (threadIdx.x == 0) {
    total[0] = mean ? sum / count : sum;
    total[1] = count;
  }
}

template <class T>
__global__ void __launch_bounds__(threads) cross_entropy_backward_kernel(
    const T *logits, const int64_t *labels, int64_t ignored, bool mean, const float *log_sum, const float *total,
    const float *gradient, T *logits_gradient, int columns) {
  constexpr int size = Vector<T>::size;
  const int64_t row = blockIdx.x, label = labels[row];
  const T *from = logits + row * columns;
  T *to = logits_gradient + row * columns;
  const float scale = label == ignored ? 0.f : mean ? *gradient / total[1] : *gradient;
  const float logarithm = log_sum[row];
#pragma unroll 4
  for (int v = threadIdx.x; v < columns / size; v += threads) {
    Vector<T> x = load(from + v * size);
#pragma unroll
    for (int i = 0; i < size; i++)
      x.at[i] = label == ignored ? 0.f : (__expf(x.at[i] - logarithm) - (v * size + i == label ? 1.f : 0.f)) * scale;
    store(to + v * size, x);
  }
}

void cross_entropy_forward(
    Matrix shape, const void *logits, const int64_t *labels, int64_t ignored, bool mean, float *loss, float *log_sum,
    float *total, cudaStream_t stream) {
  if (shape.rows > 0)
    with_type(shape.element, [&](auto type) {
      using T = decltype(type);
      cross_entropy_forward_kernel<T><<<shape.rows, threads, 0, stream>>>(
          static_cast<const T *>(logits), labels, ignored, loss, log_sum, static_cast<int>(shape.columns));
    });
  total_kernel<<<1, 1024, 0, stream>>>(loss, labels, ignored, mean, total, shape.rows);
  launched("cross-entropy");
}

void cross_entropy_backward(
    Matrix shape, const void *logits, const int64_t *labels, int64_t ignored, bool mean, const float *log_sum,
    const float *total, const float *gradient, void *logits_gradient, cudaStream_t stream) {
  if (shape.rows == 0) return;
  with_type(shape.element, [&](auto type) {
    using T = decltype(type);
    cross_entropy_backward_kernel<T><<<shape.rows, threads, 0, stream>>>(
        static_cast<const T *>(logits), labels, ignored, mean, log_sum, total, gradient,
        static_cast<T *>(logits_gradient), static_cast<int>(shape.columns));
  });
  launched("cross-entropy's gradient");
}

}  // namespace pipeline

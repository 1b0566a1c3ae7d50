// Dropout, residual and layer normalization in one pass: a warp holds a row in its registers.
#include <algorithm>
#include <type_traits>

#include "vector.cuh"

namespace pipeline {

constexpr int warps = 4;

// Backward-pass blocks that a multiprocessor runs at once: as many as the registers allow.
constexpr int resident(int count) { return count <= 3 ? 4 : 2; }

// `count` vectors per lane: the row's vectors lane, lane + 32, ….
template <class T, int count>
__global__ void __launch_bounds__(32 * warps) norm_forward_kernel(NormForward to, int64_t rows, int columns, Dropout dropout) {
  constexpr int size = Vector<T>::size;
  const int lane = threadIdx.x % 32, vectors = columns / size;
  const int64_t row = blockIdx.x * static_cast<int64_t>(warps) + threadIdx.x / 32;
  if (row >= rows) return;
  const int64_t name = row_name(dropout, row);
  const T *x = static_cast<const T *>(to.x) + row * columns;
  const T *residual = to.residual ? static_cast<const T *>(to.residual) + row * columns : nullptr;

  // All loads first, so that they are under way together.
  Raw raw[count], raw_residual[count];
#pragma unroll
  for (int k = 0; k < count; k++) {
    const int v = lane + 32 * k;
    raw[k] = v < vectors ? load_raw(x + v * size) : Raw{};
    raw_residual[k] = residual && v < vectors ? load_raw(residual + v * size) : Raw{};
  }
  Vector<T> value[count];
  float sum = 0;
#pragma unroll
  for (int k = 0; k < count; k++) {
    const int v = lane + 32 * k;
    if (v >= vectors) continue;
    value[k] = unpack(raw[k], T{});
    drop(value[k], dropout, name * vectors + v);
    Vector<T> r = unpack(raw_residual[k], T{});
#pragma unroll
    for (int i = 0; i < size; i++) value[k].at[i] += r.at[i];
#pragma unroll
    for (int i = 0; i < size; i++) sum += value[k].at[i] = rounded(value[k].at[i], T{});
    if (to.sum) store(static_cast<T *>(to.sum) + row * columns + v * size, value[k]);
  }
  const float mean = warp_sum(sum) / columns;
  float squares = 0;
#pragma unroll
  for (int k = 0; k < count; k++) {
    if (lane + 32 * k >= vectors) continue;
#pragma unroll
    for (int i = 0; i < size; i++) squares = fmaf(value[k].at[i] - mean, value[k].at[i] - mean, squares);
  }
  const float scale = rsqrtf(warp_sum(squares) / columns + to.epsilon);
  if (lane == 0) {
    to.mean[row] = mean;
    to.scale[row] = scale;
  }
#pragma unroll
  for (int k = 0; k < count; k++) {
    const int v = lane + 32 * k;
    if (v >= vectors) continue;
    Vector<T> weight = load(static_cast<const T *>(to.weight) + v * size), bias{};
    if (to.bias) bias = load(static_cast<const T *>(to.bias) + v * size);
#pragma unroll
    for (int i = 0; i < size; i++) value[k].at[i] = fmaf((value[k].at[i] - mean) * scale, weight.at[i], bias.at[i]);
    store(static_cast<T *>(to.out) + row * columns + v * size, value[k]);
  }
}

// The block's sum of one vector per lane and warp, added in the order of the warps.
template <class T, int count>
__device__ void block_sum(const Vector<T> (&own)[count], float *shared, float *out, int vectors) {
  constexpr int size = Vector<T>::size;
  const int lane = threadIdx.x % 32;
  for (int warp = 0; warp < warps; warp++) {
    if (threadIdx.x / 32 == warp) {
#pragma unroll
      for (int k = 0; k < count; k++) {
#pragma unroll
        for (int i = 0; i < size; i++) {
          float &place = shared[(k * size + i) * 32 + lane];
          place = warp == 0 ? own[k].at[i] : place + own[k].at[i];
        }
      }
    }
    __syncthreads();
  }
  for (int index = threadIdx.x; index < count * size * 32; index += blockDim.x) {
    const int v = index % 32 + 32 * (index / 32 / size);
    if (v < vectors) out[v * size + index / 32 % size] = shared[index];
  }
  __syncthreads();
}

// Each block processes every gridDim-th group of rows and writes its part of the weights' gradients to `partial`.
template <class T, int count>
__global__ void __launch_bounds__(32 * warps, resident(count))
    norm_backward_kernel(NormBackward to, int64_t rows, int columns, Dropout dropout) {
  constexpr int size = Vector<T>::size;
  __shared__ float shared[count * size * 32];
  const int lane = threadIdx.x % 32, vectors = columns / size;
  Vector<T> weight_gradient[count] = {}, bias_gradient[count] = {};

  for (int64_t row = blockIdx.x * static_cast<int64_t>(warps) + threadIdx.x / 32; row < rows;
       row += gridDim.x * static_cast<int64_t>(warps)) {
    const float mean = to.mean[row], scale = to.scale[row];
    const int64_t name = row_name(dropout, row);
    // All loads first, so that they are under way together.
    Raw raw_gradient[count], raw_gradient2[count], raw_sum[count];
#pragma unroll
    for (int k = 0; k < count; k++) {
      const int v = lane + 32 * k;
      const int64_t place = row * columns + v * size;
      raw_gradient[k] = v < vectors ? load_raw(static_cast<const T *>(to.gradient) + place) : Raw{};
      raw_gradient2[k] = to.gradient2 && v < vectors ? load_raw(static_cast<const T *>(to.gradient2) + place) : Raw{};
      raw_sum[k] = v < vectors ? load_raw(static_cast<const T *>(to.sum) + place) : Raw{};
    }
    // The input is unpacked twice: packed, it needs half the registers.
    const auto normed = [&](int k) {
      Vector<T> x = unpack(raw_sum[k], T{});
#pragma unroll
      for (int i = 0; i < size; i++) x.at[i] = (x.at[i] - mean) * scale;
      return x;
    };
    Vector<T> gradient[count];
    float sum = 0, product = 0;
#pragma unroll
    for (int k = 0; k < count; k++) {
      const int v = lane + 32 * k;
      if (v >= vectors) continue;
      gradient[k] = unpack(raw_gradient[k], T{});
      Vector<T> other = unpack(raw_gradient2[k], T{}), x = normed(k);
      Vector<T> weight = load(static_cast<const T *>(to.weight) + v * size);
#pragma unroll
      for (int i = 0; i < size; i++) {
        gradient[k].at[i] += other.at[i];
        weight_gradient[k].at[i] = fmaf(gradient[k].at[i], x.at[i], weight_gradient[k].at[i]);
        bias_gradient[k].at[i] += gradient[k].at[i];
        gradient[k].at[i] *= weight.at[i];
        sum += gradient[k].at[i];
        product = fmaf(gradient[k].at[i], x.at[i], product);
      }
    }
    sum = warp_sum(sum) / columns;
    product = warp_sum(product) / columns;
#pragma unroll
    for (int k = 0; k < count; k++) {
      const int v = lane + 32 * k;
      if (v >= vectors) continue;
      const int64_t place = row * columns + v * size;
      Vector<T> x = normed(k);
#pragma unroll
      for (int i = 0; i < size; i++) x.at[i] = scale * (gradient[k].at[i] - sum - x.at[i] * product);
      store(static_cast<T *>(to.sum_gradient) + place, x);
      if (!to.x_gradient) continue;
      drop(x, dropout, name * vectors + v);
      store(static_cast<T *>(to.x_gradient) + place, x);
    }
  }
  float *partial = to.partial + blockIdx.x * 2 * static_cast<int64_t>(columns);
  block_sum<T, count>(weight_gradient, shared, partial, vectors);
  block_sum<T, count>(bias_gradient, shared, partial + columns, vectors);
}

static int processors() {
  int device = 0, count = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  return count;
}

int64_t norm_backward_blocks(Matrix shape) {
  const int count = static_cast<int>(quotient_up(shape.columns, 32 * vector_size(shape.element)));
  return std::min<int64_t>(resident(count) * processors(), quotient_up(shape.rows, warps));
}

// Calls `work` with the element type and the number of vectors per lane.
template <class Work>
static void with_width(Matrix shape, Work &&work) {
  with_type(shape.element, [&](auto type) {
    using T = decltype(type);
    switch (quotient_up(shape.columns, 32 * Vector<T>::size)) {
      case 1: return work(type, std::integral_constant<int, 1>{});
      case 2: return work(type, std::integral_constant<int, 2>{});
      case 3: return work(type, std::integral_constant<int, 3>{});
      case 4: return work(type, std::integral_constant<int, 4>{});
      case 5:
      case 6: return work(type, std::integral_constant<int, 6>{});
      case 7:
      case 8: return work(type, std::integral_constant<int, 8>{});
      default: throw std::invalid_argument("a row is too wide for the norm's kernel");
    }
  });
}

void norm_forward(Matrix shape, NormForward tensors, Dropout dropout, cudaStream_t stream) {
  if (shape.rows == 0) return;
  with_width(shape, [&](auto type, auto count) {
    norm_forward_kernel<decltype(type), count.value><<<quotient_up(shape.rows, warps), 32 * warps, 0, stream>>>(
        tensors, shape.rows, static_cast<int>(shape.columns), dropout);
  });
  launched("the norm");
}

void norm_backward(Matrix shape, NormBackward tensors, Dropout dropout, cudaStream_t stream) {
  if (shape.rows == 0) return;
  with_width(shape, [&](auto type, auto count) {
    norm_backward_kernel<decltype(type), count.value><<<norm_backward_blocks(shape), 32 * warps, 0, stream>>>(
        tensors, shape.rows, static_cast<int>(shape.columns), dropout);
  });
  launched("the norm's gradient");
}

}  // namespace pipeline

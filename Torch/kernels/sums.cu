// Sums over rows in two stages, each with a fixed order.
#include <algorithm>

#include "vector.cuh"

namespace pipeline {

constexpr int rows_at_once = 8;

// A block sums a strip of 32 vectors over every gridDim.y-th group of rows.
template <class T>
__global__ void column_sum_kernel(const T *x, float *partial, int64_t rows, int columns) {
  constexpr int size = Vector<T>::size;
  __shared__ float shared[rows_at_once][size][32];
  const int v = blockIdx.x * 32 + threadIdx.x;
  float sum[size] = {};
  if (v < columns / size) {
#pragma unroll 4
    for (int64_t row = blockIdx.y * rows_at_once + threadIdx.y; row < rows; row += gridDim.y * rows_at_once) {
      Vector<T> value = load(x + row * columns + v * size);
#pragma unroll
      for (int i = 0; i < size; i++) sum[i] += value.at[i];
    }
  }
#pragma unroll
  for (int i = 0; i < size; i++) shared[threadIdx.y][i][threadIdx.x] = sum[i];
  __syncthreads();
  if (v >= columns / size) return;
  for (int i = threadIdx.y; i < size; i += rows_at_once) {
    float total = 0;
#pragma unroll
    for (int y = 0; y < rows_at_once; y++) total += shared[y][i][threadIdx.x];
    partial[blockIdx.y * static_cast<int64_t>(columns) + v * size + i] = total;
  }
}

template <class T>
__global__ void sum_partials_kernel(const float *partial, T *out, int64_t rows, int columns) {
  __shared__ float shared[32][33];
  const int column = blockIdx.x * 32 + threadIdx.x;
  float sum = 0;
  if (column < columns)
    for (int64_t row = threadIdx.y; row < rows; row += 32) sum += partial[row * columns + column];
  shared[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  sum = warp_sum(shared[threadIdx.x][threadIdx.y]);
  const int own = blockIdx.x * 32 + threadIdx.y;
  if (threadIdx.x == 0 && own < columns) out[own] = static_cast<T>(sum);
}

int64_t column_sum_blocks(int64_t rows) { return std::max<int64_t>(1, std::min<int64_t>(128, quotient_up(rows, 4 * rows_at_once))); }

void sum_partials(Matrix shape, const float *partial, void *out, cudaStream_t stream) {
  if (shape.columns == 0) return;
  with_type(shape.element, [&](auto type) {
    using T = decltype(type);
    sum_partials_kernel<T><<<quotient_up(shape.columns, 32), dim3(32, 32), 0, stream>>>(
        partial, static_cast<T *>(out), shape.rows, static_cast<int>(shape.columns));
  });
  launched("a sum");
}

void column_sum(Matrix shape, const void *x, float *partial, void *out, cudaStream_t stream) {
  if (shape.columns == 0) return;
  const int64_t blocks = column_sum_blocks(shape.rows);
  with_type(shape.element, [&](auto type) {
    using T = decltype(type);
    dim3 grid(quotient_up(shape.columns, 32 * Vector<T>::size), blocks);
    column_sum_kernel<T><<<grid, dim3(32, rows_at_once), 0, stream>>>(
        static_cast<const T *>(x), partial, shape.rows, static_cast<int>(shape.columns));
  });
  launched("a sum over rows");
  sum_partials({shape.element, blocks, shape.columns}, partial, out, stream);
}

}  // namespace pipeline

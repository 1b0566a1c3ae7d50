// AdamW over blocks of flat tensors: each number is read once and written once. Every sum has a fixed order.
#include "vector.cuh"

namespace pipeline {

constexpr int block_threads = 256, vectors_per_thread = BlockParts::block / (4 * block_threads);

struct Place {
  int64_t start, name;
};

// Where the numbers of a thread block lie, and the block's number among all.
__device__ inline Place place_of(const BlockParts &parts, int64_t number) {
  int part = 0;
  while (part + 1 < parts.count && parts.before[part + 1] <= number) part++;
  const int64_t within = number - parts.before[part];
  return {parts.start[part] + within * BlockParts::block, parts.name[part] + within};
}

__global__ void __launch_bounds__(block_threads) block_squares_kernel(
    const __grid_constant__ BlockParts parts, const float *values, float *squares) {
  __shared__ float sums[block_threads / 32];
  const Place place = place_of(parts, blockIdx.x);
  Vector<float> v[vectors_per_thread];
#pragma unroll
  for (int i = 0; i < vectors_per_thread; i++) v[i] = load(values + place.start + 4 * (threadIdx.x + i * block_threads));
  float sum = 0;
#pragma unroll
  for (int i = 0; i < vectors_per_thread; i++)
#pragma unroll
    for (int k = 0; k < 4; k++) sum += v[i].at[k] * v[i].at[k];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  float total = 0;
#pragma unroll
  for (int warp = 0; warp < block_threads / 32; warp++) total += sums[warp];
  squares[place.name] = total;
}

__global__ void __launch_bounds__(1024) root_of_sum_kernel(const float *squares, int64_t count, float *norm) {
  __shared__ double sums[1024];
  double sum = 0;
#pragma unroll 8
  for (int64_t i = threadIdx.x; i < count; i += 1024) sum += squares[i];
  sums[threadIdx.x] = sum;
  for (int half = 512; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) *norm = static_cast<float>(sqrt(sums[0]));
}

__global__ void __launch_bounds__(block_threads) adamw_blocks_kernel(
    const __grid_constant__ BlockParts parts, const __grid_constant__ AdamWBlocks t) {
  if (!isfinite(*t.figure)) return;
  const Place place = place_of(parts, blockIdx.x);
  float factor = t.maximum > 0 ? fminf(t.maximum / (*t.norm + 1e-6f), 1.f) : 1.f;
  if (t.divisor) factor /= *t.divisor;
  auto *copies = static_cast<__nv_bfloat16 *>(t.copies);
#pragma unroll
  for (int i = 0; i < vectors_per_thread; i++) {
    const int64_t at = place.start + 4 * (threadIdx.x + i * block_threads);
    Vector<float> w = load(t.weights + at), m = load(t.first + at), v = load(t.second + at), g = load(t.gradients + at);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const float gradient = g.at[k] * factor;
      m.at[k] = t.beta1 * m.at[k] + t.rest1 * gradient;
      v.at[k] = t.beta2 * v.at[k] + t.rest2 * gradient * gradient;
      w.at[k] = w.at[k] * t.kept - t.rate * m.at[k] / (sqrtf(v.at[k]) * t.correction2 + t.epsilon);
    }
    store(t.weights + at, w);
    store(t.first + at, m);
    store(t.second + at, v);
    *reinterpret_cast<uint2 *>(copies + at) = make_uint2(packed(w.at[0], w.at[1]), packed(w.at[2], w.at[3]));
  }
}

void block_squares(const BlockParts &parts, const float *values, float *squares, cudaStream_t stream) {
  if (parts.blocks == 0) return;
  block_squares_kernel<<<parts.blocks, block_threads, 0, stream>>>(parts, values, squares);
  launched("squares of blocks");
}

void root_of_sum(const float *squares, int64_t count, float *norm, cudaStream_t stream) {
  root_of_sum_kernel<<<1, 1024, 0, stream>>>(squares, count, norm);
  launched("a norm");
}

void adamw_blocks(const BlockParts &parts, const AdamWBlocks &tensors, cudaStream_t stream) {
  if (parts.blocks == 0) return;
  adamw_blocks_kernel<<<parts.blocks, block_threads, 0, stream>>>(parts, tensors);
  launched("AdamW");
}

}  // namespace pipeline

// Matrix products of a warp over tiles in shared memory: bf16 in, fp32 sums (mma m16n8k16).
//
// A tile's rows are 16-byte chunks, permuted within a row by the row's index (swizzled), so that eight rows of one
// chunk are in different banks. Tiles begin at multiples of a row's bytes, so that the address of another even chunk of
// a row is the exclusive or of the address with a constant.
#pragma once
#include "vector.cuh"

// Copies to shared memory without registers, and products of bfloat16, came with A100.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "The kernels need compute capability 8.0 or newer: see PIPELINE_CUDA_ARCH in Scripts/engine."
#endif

namespace pipeline {

using bf16 = __nv_bfloat16;

// Rows of `columns` values at an address in shared memory.
template <int columns>
struct Tile {
  uint32_t base;

  static constexpr int chunks = columns / 8, row_bytes = columns * 2;
  __device__ uint32_t chunk(int row, int number) const { return base + row * row_bytes + ((number ^ (row & 7)) << 4); }
};

__device__ inline uint32_t read_pair(uint32_t place) {
  uint32_t pair;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(pair) : "r"(place) : "memory");
  return pair;
}

__device__ inline void write_pair(uint32_t place, uint32_t pair) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(place), "r"(pair) : "memory");
}

__device__ inline uint4 read_chunk(uint32_t place) {
  uint4 x;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w) : "r"(place) : "memory");
  return x;
}

// Copies 128 rows of `stride` values with 256 threads, asynchronously. Rows from `rows` on and chunks from
// `columns_there` on are set to 0.
template <int columns>
__device__ inline void fetch(Tile<columns> to, const bf16 *from, int64_t stride, int rows, int columns_there = columns) {
  constexpr int chunks = Tile<columns>::chunks, at_once = 256 / chunks;
  const int first = threadIdx.x / chunks, number = threadIdx.x % chunks;
#pragma unroll
  for (int i = 0; i < 128 / at_once; i++) {
    const int row = first + i * at_once;
    const bool is_there = row < rows && number * 8 < columns_there;
    const bf16 *source = from + (is_there ? row * stride + number * 8 : 0);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to.chunk(row, number)), "l"(source), "r"(is_there ? 16 : 0));
  }
}

__device__ inline void end_of_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for all groups except the last `left`.
template <int left>
__device__ inline void fetched() {
  asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
  __syncthreads();
}

struct Fragment {
  uint32_t at[4];
};

// Four 8×8 matrices: lane 8·i + r provides the address of row r of matrix i.
__device__ inline Fragment fragment(uint32_t row) {
  Fragment f;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(f.at[0]), "=r"(f.at[1]), "=r"(f.at[2]), "=r"(f.at[3]) : "r"(row) : "memory");
  return f;
}

__device__ inline Fragment transposed_fragment(uint32_t row) {
  Fragment f;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(f.at[0]), "=r"(f.at[1]), "=r"(f.at[2]), "=r"(f.at[3]) : "r"(row) : "memory");
  return f;
}

// 16×8 sums: lane 4·g + t holds (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
using Sums = float[4];

__device__ inline void multiply_add(Sums &sums, const Fragment &a, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a.at[0]), "r"(a.at[1]), "r"(a.at[2]), "r"(a.at[3]), "r"(b0), "r"(b1));
}

// sums [16, 128] += A [16, 64] · B [128, 64]ᵀ, A being 16 rows of `a` from `first` on.
__device__ inline void multiply_rows(Sums (&sums)[16], Tile<64> a, int first, Tile<64> b) {
  const int matrix = threadIdx.x % 32 / 8, r = threadIdx.x % 8;
  const uint32_t left_base = a.chunk(first + (matrix & 1) * 8 + r, matrix >> 1);
  const uint32_t right_base = b.chunk((matrix >> 1) * 8 + r, matrix & 1);
#pragma unroll
  for (int step = 0; step < 4; step++) {
    const Fragment left = fragment(left_base ^ (step << 5));
    const uint32_t right_step = right_base ^ (step << 5);
#pragma unroll
    for (int pair = 0; pair < 8; pair++) {
      const Fragment right = fragment(right_step + pair * 16 * Tile<64>::row_bytes);
      multiply_add(sums[2 * pair], left, right.at[0], right.at[1]);
      multiply_add(sums[2 * pair + 1], left, right.at[2], right.at[3]);
    }
  }
}

// The addresses of B's columns 16·i to 16·i + 15 for multiply_step.
struct Columns {
  uint32_t at[4];
  __device__ explicit Columns(Tile<64> b) {
    const int matrix = threadIdx.x % 32 / 8, r = threadIdx.x % 8;
#pragma unroll
    for (int i = 0; i < 4; i++) at[i] = b.chunk((matrix & 1) * 8 + r, matrix >> 1) ^ (i << 5);
  }
};

// sums [16, 64] += A [16, 16] · B [16, 64], B being the rows from 16·step on.
__device__ inline void multiply_step(Sums (&sums)[8], const Fragment &left, const Columns &b, int step) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const Fragment right = transposed_fragment(b.at[i] + step * 16 * Tile<64>::row_bytes);
    multiply_add(sums[2 * i], left, right.at[0], right.at[1]);
    multiply_add(sums[2 * i + 1], left, right.at[2], right.at[3]);
  }
}

// sums [16 keys, 64] += the transpose of the columns of `weights` [128, 128] from `first` on · b [128, 64].
__device__ inline void multiply_columns(Sums (&sums)[8], Tile<128> weights, int first, Tile<64> b) {
  const int matrix = threadIdx.x % 32 / 8, r = threadIdx.x % 8;
  const uint32_t base = weights.chunk((matrix >> 1) * 8 + r, first / 8 + (matrix & 1));
  const Columns columns(b);
#pragma unroll
  for (int step = 0; step < 8; step++)
    multiply_step(sums, transposed_fragment(base + step * 16 * Tile<128>::row_bytes), columns, step);
}

// Writes the warp's 16 rows of sums · `factor` (of rows g and g + 8), limited to rows below `rows`, through the same
// rows of `stage`, which no other warp may use.
__device__ inline void write_rows(
    const Sums (&sums)[8], Tile<64> stage, bf16 *to, int64_t stride, int first, int rows, float factor0, float factor1) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const uint32_t place = stage.chunk(first + g, 0) + 4 * t;
  __syncwarp();
#pragma unroll
  for (int n = 0; n < 8; n++) {
    write_pair(place ^ (n << 4), packed(sums[n][0] * factor0, sums[n][1] * factor0));
    write_pair((place ^ (n << 4)) + 8 * Tile<64>::row_bytes, packed(sums[n][2] * factor1, sums[n][3] * factor1));
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int row = first + i * 4 + lane / 8, number = lane % 8;
    const uint4 chunk = read_chunk(stage.chunk(row, number));
    if (row < rows)
      asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to + row * stride + number * 8), "r"(chunk.x),
                   "r"(chunk.y), "r"(chunk.z), "r"(chunk.w)
                   : "memory");
  }
  __syncwarp();
}

// Over the four lanes that hold a row of sums.
__device__ inline float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

__device__ inline float quad_highest(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

}  // namespace pipeline

// Matrix products of a warp over tiles in shared memory: bf16 in, fp32 sums (mma m16n8k16).
//
// A tile's rows are chunks of 16 bytes, whose places within a row are exchanged by the row's number, so that eight rows
// of one chunk lie in different banks.
#pragma once
#include "vector.cuh"

namespace pipeline {

using bf16 = __nv_bfloat16;

// Rows of `columns` values.
template <int columns>
struct Tile {
  bf16 *values;

  static constexpr int chunks = columns / 8;
  __device__ bf16 *chunk(int row, int number) const { return values + (row * chunks + (number ^ (row & 7))) * 8; }
  // The pair of values at (row, 8·number + 2·pair).
  __device__ uint32_t *pair(int row, int number, int pair) const {
    return reinterpret_cast<uint32_t *>(chunk(row, number)) + pair;
  }
};

// Copies `rows` of `stride` values beside other work; rows from `rows` to `all` become 0.
template <int columns>
__device__ inline void fetch(Tile<columns> to, const bf16 *from, int64_t stride, int rows, int all) {
  for (int index = threadIdx.x; index < all * Tile<columns>::chunks; index += blockDim.x) {
    const int row = index / Tile<columns>::chunks, number = index % Tile<columns>::chunks;
    const bf16 *source = from + (row < rows ? row : 0) * stride + number * 8;
    const uint32_t place = static_cast<uint32_t>(__cvta_generic_to_shared(to.chunk(row, number)));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(place), "l"(source), "r"(row < rows ? 16 : 0));
  }
}

__device__ inline void fetched() {
  asm volatile("cp.async.wait_all;" ::: "memory");
  __syncthreads();
}

struct Fragment {
  uint32_t at[4];
};

// Four 8×8 matrices: lane 8·i + r gives the address of row r of the i-th.
__device__ inline Fragment fragment(const bf16 *row) {
  Fragment f;
  const uint32_t place = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(f.at[0]), "=r"(f.at[1]), "=r"(f.at[2]), "=r"(f.at[3]) : "r"(place) : "memory");
  return f;
}

__device__ inline Fragment transposed_fragment(const bf16 *row) {
  Fragment f;
  const uint32_t place = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(f.at[0]), "=r"(f.at[1]), "=r"(f.at[2]), "=r"(f.at[3]) : "r"(place) : "memory");
  return f;
}

// 16×8 sums: lane 4·g + t holds (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
using Sums = float[4];

__device__ inline void multiply_add(Sums &sums, const Fragment &a, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
               : "r"(a.at[0]), "r"(a.at[1]), "r"(a.at[2]), "r"(a.at[3]), "r"(b0), "r"(b1));
}

// sums [16, 8·n] += A [16, 64] · B [8·n, 64]ᵀ, A being 16 rows of `a` from `first` on.
template <int n>
__device__ inline void multiply_rows(Sums (&sums)[n], Tile<64> a, int first, Tile<64> b) {
  const int matrix = threadIdx.x % 32 / 8, r = threadIdx.x % 8;
#pragma unroll
  for (int step = 0; step < 4; step++) {
    Fragment left = fragment(a.chunk(first + (matrix & 1) * 8 + r, step * 2 + (matrix >> 1)));
#pragma unroll
    for (int pair = 0; pair < n / 2; pair++) {
      Fragment right = fragment(b.chunk(pair * 16 + (matrix >> 1) * 8 + r, step * 2 + (matrix & 1)));
      multiply_add(sums[2 * pair], left, right.at[0], right.at[1]);
      multiply_add(sums[2 * pair + 1], left, right.at[2], right.at[3]);
    }
  }
}

// sums [16, 64] += A [16, 16] · B [16, 64], B being 16 rows of `b` from `first` on.
__device__ inline void multiply_step(Sums (&sums)[8], const Fragment &left, Tile<64> b, int first) {
  const int matrix = threadIdx.x % 32 / 8, r = threadIdx.x % 8;
#pragma unroll
  for (int pair = 0; pair < 4; pair++) {
    Fragment right = transposed_fragment(b.chunk(first + (matrix & 1) * 8 + r, pair * 2 + (matrix >> 1)));
    multiply_add(sums[2 * pair], left, right.at[0], right.at[1]);
    multiply_add(sums[2 * pair + 1], left, right.at[2], right.at[3]);
  }
}

// Rows `first` to `first` + 15 of sums · `factor`, those below `rows`.
__device__ inline void write_rows(const Sums (&sums)[8], bf16 *to, int64_t stride, int first, int rows, float factor0, float factor1) {
  const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
  for (int n = 0; n < 8; n++) {
    if (first + g < rows)
      *reinterpret_cast<uint32_t *>(to + (first + g) * stride + n * 8 + 2 * t) = packed(sums[n][0] * factor0, sums[n][1] * factor0);
    if (first + g + 8 < rows)
      *reinterpret_cast<uint32_t *>(to + (first + g + 8) * stride + n * 8 + 2 * t) = packed(sums[n][2] * factor1, sums[n][3] * factor1);
  }
}

}  // namespace pipeline

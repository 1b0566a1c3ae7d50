// What the kernels of attention within segments share: products of a warp's 32 rows, segments, penalties of distance, and
// where a block works.
#pragma once
#include "tiles.cuh"

namespace pipeline {

constexpr int tile_rows = 128, loop_rows = 64, half_rows = 32, warps = 4, blocks_per_warp = 2, threads = 32 * warps;
constexpr float to_binary = 1.44269504f, score_scale = 0.125f;

// MARK: What a warp computes: 32 rows, in two blocks of 16

using RowSums = Sums[blocks_per_warp][8];   // [32, 64]
using HalfSums = Sums[blocks_per_warp][4];  // [32, 32]

// sums [32, 8·n] += A [32, 64] · B [8·n, 64]ᵀ, A being 32 rows of `a` from `first_a` on, B rows of `b` from `first_b` on.
template <int n>
__device__ inline void multiply_rows(Sums (&sums)[blocks_per_warp][n], Tile<64> a, int first_a, Tile<64> b, int first_b) {
  const int matrix = threadIdx.x % 32 / 8, r = threadIdx.x % 8;
  const uint32_t left_base = a.chunk(first_a + (matrix & 1) * 8 + r, matrix >> 1);
  const uint32_t right_base = b.chunk(first_b + (matrix >> 1) * 8 + r, matrix & 1);
#pragma unroll
  for (int step = 0; step < 4; step++) {
    Fragment left[blocks_per_warp];
#pragma unroll
    for (int i = 0; i < blocks_per_warp; i++) left[i] = fragment((left_base ^ (step << 5)) + i * 16 * Tile<64>::row_bytes);
#pragma unroll
    for (int pair = 0; pair < n / 2; pair++) {
      const Fragment right = fragment((right_base ^ (step << 5)) + pair * 16 * Tile<64>::row_bytes);
#pragma unroll
      for (int i = 0; i < blocks_per_warp; i++) {
        multiply_add(sums[i][2 * pair], left[i], right.at[0], right.at[1]);
        multiply_add(sums[i][2 * pair + 1], left[i], right.at[2], right.at[3]);
      }
    }
  }
}

// sums [32, 64] += A [32, 16] · B [16, 64], B being the rows from 16·step on.
__device__ inline void multiply_step(RowSums &sums, const Fragment (&left)[blocks_per_warp], const Columns &b, int step) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const Fragment right = transposed_fragment(b.at[i] + step * 16 * Tile<64>::row_bytes);
#pragma unroll
    for (int block = 0; block < blocks_per_warp; block++) {
      multiply_add(sums[block][2 * i], left[block], right.at[0], right.at[1]);
      multiply_add(sums[block][2 * i + 1], left[block], right.at[2], right.at[3]);
    }
  }
}

// 16 columns of a matrix of sums, as the left side of a product.
template <int n>
__device__ inline void left_of(Fragment (&left)[blocks_per_warp], const Sums (&sums)[blocks_per_warp][n], int step) {
#pragma unroll
  for (int i = 0; i < blocks_per_warp; i++) {
    const Sums &a = sums[i][2 * step], &b = sums[i][2 * step + 1];
    left[i] = {{packed(a[0], a[1]), packed(a[2], a[3]), packed(b[0], b[1]), packed(b[2], b[3])}};
  }
}

template <int rows_there>
__device__ inline void fetch_rows(Tile<64> to, const bf16 *from, int64_t stride, int rows) {
  constexpr int at_once = threads / 8;
  const int first = threadIdx.x / 8, number = threadIdx.x % 8;
#pragma unroll
  for (int i = 0; i < rows_there / at_once; i++) {
    const int row = first + i * at_once;
    const bool is_there = row < rows;
    const bf16 *source = from + (is_there ? row * stride + number * 8 : 0);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to.chunk(row, number)), "l"(source), "r"(is_there ? 16 : 0));
  }
}

// MARK: Segments

struct Span {
  int64_t first, end;
};

__device__ inline Span span_of(const SegmentedAttention &to, int64_t token) {
  if (to.bounds) return {to.bounds[token], to.bounds[to.tokens + token]};
  const int64_t first = token / to.length * to.length;
  return {first, first + to.length < to.tokens ? first + to.length : to.tokens};
}

// What the rows of a block may be combined with: the tokens of their segments.
struct Reach {
  int64_t first, end;  // of any row
  int64_t inner_first, inner_end;  // of every row
  int count;  // of loop_rows tokens each

  __device__ Reach(const SegmentedAttention &to, int64_t start, int rows) {
    const Span a = span_of(to, start), b = span_of(to, start + rows - 1);
    first = a.first, end = b.end, inner_first = b.first, inner_end = a.end;
    count = static_cast<int>((end - first + loop_rows - 1) / loop_rows);
  }
  __device__ int rows(int number) const {
    const int64_t left = end - first - int64_t{number} * loop_rows;
    return static_cast<int>(left < loop_rows ? left : loop_rows);
  }
  // Whether all rows may be combined with all of these tokens.
  __device__ bool is_inner(int64_t from, int count) const { return from >= inner_first && from + count <= inner_end; }
};

// The rows of a lane, relative to the block's first token: their places and segments.
struct Rows {
  int place[blocks_per_warp][2], first[blocks_per_warp][2], end[blocks_per_warp][2];

  __device__ Rows(const SegmentedAttention &to, int64_t start, int rows) {
    const int g = threadIdx.x % 32 / 4;
#pragma unroll
    for (int i = 0; i < blocks_per_warp; i++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int row = threadIdx.x / 32 * 32 + 16 * i + 8 * half + g;
        place[i][half] = row;
        first[i][half] = end[i][half] = 0;
        if (row < rows) {
          const Span span = span_of(to, start + row);
          first[i][half] = static_cast<int>(span.first - start);
          end[i][half] = static_cast<int>(span.end - start);
        }
      }
    }
  }
};

// Turns products into scores in powers of two: scaled, with the penalty of their distance; −∞ outside of the segment.
// `from`: the first column, relative to the block's first token.
template <int n>
__device__ inline void penalize(Sums (&scores)[blocks_per_warp][n], const Rows &rows, int from, float slope, bool is_inner) {
  const int t = threadIdx.x % 4;
#pragma unroll
  for (int i = 0; i < blocks_per_warp; i++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int column = from + 2 * t;
      const float distance = static_cast<float>(rows.place[i][half] - column);
#pragma unroll
      for (int j = 0; j < n; j++) {
        float &a = scores[i][j][2 * half], &b = scores[i][j][2 * half + 1];
        a = fmaf(a, score_scale * to_binary, slope * fabsf(distance - 8 * j));
        b = fmaf(b, score_scale * to_binary, slope * fabsf(distance - (8 * j + 1)));
      }
      if (is_inner) continue;
#pragma unroll
      for (int j = 0; j < n; j++) {
        const int place = column + 8 * j;
        if (place < rows.first[i][half] || place >= rows.end[i][half]) scores[i][j][2 * half] = -INFINITY;
        if (place + 1 < rows.first[i][half] || place + 1 >= rows.end[i][half]) scores[i][j][2 * half + 1] = -INFINITY;
      }
    }
  }
}

__device__ inline float slope_of(const SegmentedAttention &to, int head) {
  return to.slopes ? -to.slopes[head] * to_binary : 0;
}

__device__ inline Tile<64> tile_at(int row) {
  extern __shared__ __align__(1024) bf16 shared[];
  return {static_cast<uint32_t>(__cvta_generic_to_shared(shared)) + row * Tile<64>::row_bytes};
}

// Where a block works.
struct Block {
  int64_t start;
  int rows, head, warp_first;
  int64_t out_row, row;

  __device__ explicit Block(const SegmentedAttention &to)
      : start(int64_t{blockIdx.x} * tile_rows), head(blockIdx.y), warp_first(threadIdx.x / 32 * 32), out_row(to.heads * 64),
        row(3 * out_row) {
    const int64_t left = to.tokens - start;
    rows = static_cast<int>(left < tile_rows ? left : tile_rows);
  }
  __device__ const bf16 *query(const SegmentedAttention &to, int64_t token) const {
    return static_cast<const bf16 *>(to.qkv) + token * row + head * 64;
  }
  __device__ const bf16 *outer(const void *rows, int64_t token) const {
    return static_cast<const bf16 *>(rows) + token * out_row + head * 64;
  }
};

__device__ inline void write(
    const RowSums &sums, Tile<64> stage, bf16 *to, int64_t stride, const Block &at, const float (&factor)[blocks_per_warp][2]) {
#pragma unroll
  for (int i = 0; i < blocks_per_warp; i++)
    write_rows(sums[i], stage, to, stride, at.warp_first + 16 * i, at.rows, factor[i][0], factor[i][1]);
}

}  // namespace pipeline

// What the Hopper kernels of attention within segments share: where a group of warps works, biases, products of 64 rows, and
// the way through the tiles of the other side.
#pragma once
#include "hopper.cuh"
#include "segments.cuh"

namespace pipeline {

using hopper::GroupLeft, hopper::GroupSums;

// MARK: Where a group works

// What a group combines its 64 rows with.
struct GroupReach {
  int64_t start;  // its first row
  int count, first, end, inner_first, inner_end;  // tokens, relative to `start`: see Reach

  __device__ GroupReach(const SegmentedAttention &to, int64_t start) : start(start), first(0), end(0), inner_first(0), inner_end(0) {
    const int64_t left = to.tokens - start;
    count = left <= 0 ? 0 : left < hopper::rows ? static_cast<int>(left) : hopper::rows;
    if (count == 0) return;
    const Span a = span_of(to, start), b = span_of(to, start + count - 1);
    first = static_cast<int>(a.first - start), end = static_cast<int>(b.end - start);
    inner_first = static_cast<int>(b.first - start), inner_end = static_cast<int>(a.end - start);
  }
  // `from`: a tile's first token.
  __device__ bool is_inner(int from) const { return from >= inner_first && from + hopper::rows <= inner_end; }
};

// A lane's two rows: their places and segments, relative to the group's first row.
struct GroupRows {
  int place[2], first[2], end[2];

  __device__ GroupRows(const SegmentedAttention &to, const GroupReach &reach) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      place[half] = threadIdx.x % hopper::group_threads / 32 * 16 + 8 * half + threadIdx.x % 32 / 4;
      first[half] = end[half] = 0;
      if (place[half] >= reach.count) continue;
      const Span span = span_of(to, reach.start + place[half]);
      first[half] = static_cast<int>(span.first - reach.start);
      end[half] = static_cast<int>(span.end - reach.start);
    }
  }
};

// What remains to turn biased products into scores in powers of two: a factor, and a term for each of a lane's rows.
template <bool sloped>
constexpr float score_factor = sloped ? 1 : score_scale * to_binary;

// Products with the penalty of their distance, but for a term per row; −∞ outside of the segment. See penalize in segments.cuh.
template <bool sloped>
__device__ inline void bias(
    GroupSums &scores, float (&terms)[2], const GroupRows &rows, int from, float slope, bool is_inner) {
  constexpr float scale = score_scale * to_binary;
  const int column = from + threadIdx.x % 4 * 2;
  terms[0] = terms[1] = 0;
  if (sloped && (from >= hopper::rows || from <= -hopper::rows)) {
    // All columns are on one side of all rows.
    const float rise = from > 0 ? slope : -slope, first = rise * static_cast<float>(column);
#pragma unroll
    for (int half = 0; half < 2; half++) terms[half] = -rise * static_cast<float>(rows.place[half]);
#pragma unroll
    for (int n = 0; n < 8; n++)
#pragma unroll
      for (int k = 0; k < 2; k++) {
        const float term = fmaf(rise, 8 * n + k, first);
#pragma unroll
        for (int half = 0; half < 2; half++) scores[n][2 * half + k] = fmaf(scores[n][2 * half + k], scale, term);
      }
  } else if (sloped) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float distance = static_cast<float>(rows.place[half] - column);
#pragma unroll
      for (int n = 0; n < 8; n++)
#pragma unroll
        for (int k = 0; k < 2; k++)
          scores[n][2 * half + k] = fmaf(scores[n][2 * half + k], scale, slope * fabsf(distance - (8 * n + k)));
    }
  }
  if (is_inner) return;
#pragma unroll
  for (int half = 0; half < 2; half++)
#pragma unroll
    for (int n = 0; n < 8; n++)
#pragma unroll
      for (int k = 0; k < 2; k++) {
        const int place = column + 8 * n + k;
        if (place < rows.first[half] || place >= rows.end[half]) scores[n][2 * half + k] = -INFINITY;
      }
}

// 16 columns of sums, as the left side of a product.
__device__ inline Fragment left_of(const GroupSums &sums, int step) {
  const Sums &a = sums[2 * step], &b = sums[2 * step + 1];
  return {{packed(a[0], a[1]), packed(a[2], a[3]), packed(b[0], b[1]), packed(b[2], b[3])}};
}

// sums [64, 64] = left [64, 64] · right [64, 64]ᵀ
__device__ inline void multiply_all(GroupSums &sums, const hopper::Rows &left, const hopper::Rows &right) {
  const uint64_t a = hopper::descriptor(left), b = hopper::descriptor(right);
#pragma unroll
  for (int step = 0; step < 4; step++)
    hopper::multiply(sums, a + step * hopper::next_values, b + step * hopper::next_values, step);
}

// sums [64, 64] += left [64, 64] · right [64, 64]
__device__ inline void add_turned(GroupSums &sums, const GroupLeft &left, const hopper::Rows &right) {
  const uint64_t b = hopper::descriptor(right);
#pragma unroll
  for (int step = 0; step < 4; step++) hopper::add_product(sums, left[step], b + step * hopper::next_rows);
}

// Writes the group's sums · factors, through `stage`.
__device__ inline void write_group(
    const GroupSums &sums, const hopper::Rows &stage, bf16 *to, int64_t stride, int rows, float factor0, float factor1) {
  write_rows(sums, {hopper::shared_address(&stage)}, to, stride, threadIdx.x % hopper::group_threads / 32 * 16, rows, factor0, factor1);
}

// MARK: What comes by copies

// `own` matrices of 64 rows per group that stay, and tiles of the other side: two matrices of 64 rows each.
template <int groups, int own, int stages>
struct Shared {
  hopper::Rows own_rows[groups][own];
  hopper::Rows tiles[stages][2];
  uint64_t own_full, full[stages], empty[stages];
  float figures[groups][2][2][hopper::rows];  // of the rows of two tiles: logarithmic sums and products
};

template <class S>
constexpr int shared_bytes = sizeof(S) + 1024;

template <class S>
__device__ inline S &shared_memory() {
  extern __shared__ __align__(1024) bf16 shared[];
  return *reinterpret_cast<S *>((reinterpret_cast<uintptr_t>(shared) + 1023) / 1024 * 1024);
}

// A block's way through tiles of the other side.
template <int groups, int own, int stages>
struct Course {
  using Place = Shared<groups, own, stages>;
  Place &shared;
  const CUtensorMap *first_map, *second_map;
  int first_column, second_column;
  int64_t start, first;
  int count;

  // The maps and columns are those of a tile's two matrices.
  __device__ Course(
      Place &shared, const SegmentedAttention &to, const CUtensorMap *first_map, int first_column, const CUtensorMap *second_map,
      int second_column)
      : shared(shared), first_map(first_map), second_map(second_map), first_column(first_column), second_column(second_column),
        start(int64_t{blockIdx.x} * (groups * hopper::rows)) {
    const int64_t last = start + groups * hopper::rows < to.tokens ? start + groups * hopper::rows - 1 : to.tokens - 1;
    first = span_of(to, start).first;
    count = static_cast<int>((span_of(to, last).end - first + hopper::rows - 1) / hopper::rows);
    if (threadIdx.x == 0) {
      hopper::barrier_init(&shared.own_full, 1);
      for (int i = 0; i < stages; i++) {
        hopper::barrier_init(&shared.full[i], 1);
        hopper::barrier_init(&shared.empty[i], 4 * groups);
      }
      hopper::barriers_visible();
    }
    __syncthreads();
  }

  // Has the rows of all groups copied that stay, and the first tiles.
  __device__ void begin(const CUtensorMap *const (&maps)[own], const int (&columns)[own]) {
    if (threadIdx.x != 0) return;
    hopper::arrive_expecting(&shared.own_full, sizeof(shared.own_rows));
    for (int group = 0; group < groups; group++)
      for (int i = 0; i < own; i++)
        hopper::copy_rows(
            shared.own_rows[group][i], maps[i], columns[i], static_cast<int>(start) + group * hopper::rows, &shared.own_full);
    for (int number = 0; number < stages && number < count; number++) fetch(number);
  }

  __device__ void fetch(int number) {
    const int stage = number % stages, row = static_cast<int>(first) + number * hopper::rows;
    hopper::arrive_expecting(&shared.full[stage], sizeof(shared.tiles[stage]));
    hopper::copy_rows(shared.tiles[stage][0], first_map, first_column, row, &shared.full[stage]);
    hopper::copy_rows(shared.tiles[stage][1], second_map, second_column, row, &shared.full[stage]);
  }

  // The tiles that a group combines with its rows; a block's groups go through all of its tiles.
  __device__ int first_of(const GroupReach &reach) const {
    return static_cast<int>(reach.start + reach.first - first) / hopper::rows;
  }
  __device__ int end_of(const GroupReach &reach) const {
    return static_cast<int>(reach.start + reach.end - first + hopper::rows - 1) / hopper::rows;
  }
  __device__ void skip(int number, int end) {
    if constexpr (groups > 1)
      for (; number < end; number++) {
        tile(number);
        done_before(number);
      }
  }

  // Waits for a tile.
  __device__ const hopper::Rows (&tile(int number))[2] {
    hopper::wait(&shared.full[number % stages], number / stages & 1);
    return shared.tiles[number % stages];
  }

  // This warp is done with all tiles before this one. Tiles are fetched again one turn later, so that groups need not be in step.
  __device__ void done_before(int number) {
    if (number > 0 && threadIdx.x % 32 == 0) hopper::arrive(&shared.empty[(number - 1) % stages]);
    const int old = number - 2, next = old + stages;
    if (threadIdx.x == 0 && old >= 0 && next < count) {
      hopper::wait(&shared.empty[old % stages], old / stages & 1);
      fetch(next);
    }
  }
};

}  // namespace pipeline

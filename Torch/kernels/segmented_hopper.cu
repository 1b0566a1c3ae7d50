// Attention over segments as in segmented_attention.cu, on Hopper's tensor cores: the same sums in the same order of tiles.
//
// A block has one or more groups of four warps, each with 64 rows of its own; they go through the same tiles of the other
// side, which one thread has copied ahead. Products run while the groups compute weights.
#include <cudaTypedefs.h>

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
  for (int step = 0; step < 4; step++) hopper::multiply<true>(sums, left[step], b + step * hopper::next_rows, 1);
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

// MARK: Forward

constexpr int forward_groups = 2, forward_stages = 4;
using ForwardCourse = Course<forward_groups, 1, forward_stages>;

template <bool sloped>
__global__ void __launch_bounds__(forward_groups * hopper::group_threads, 2)
    hopper_forward_kernel(const __grid_constant__ CUtensorMap qkv, SegmentedAttention to) {
#ifdef PIPELINE_HOPPER
  auto &shared = shared_memory<ForwardCourse::Place>();
  const int width = static_cast<int>(to.heads) * 64, head = blockIdx.y, group = threadIdx.x / hopper::group_threads;
  ForwardCourse course(shared, to, &qkv, width + head * 64, &qkv, 2 * width + head * 64);
  course.begin({&qkv}, {head * 64});
  const GroupReach reach(to, course.start + group * hopper::rows);
  const GroupRows rows(to, reach);
  const int offset = static_cast<int>(course.first - reach.start);
  const float slope = sloped ? slope_of(to, head) : 0;
  hopper::wait(&shared.own_full, 0);

  GroupSums out = {};
  float highest[2] = {-INFINITY, -INFINITY}, total[2] = {};
  GroupLeft weights = {};
  if (reach.count == 0) return course.skip(0, course.count);
  const int end = course.end_of(reach);
  int number = course.first_of(reach);
  course.skip(0, number);
  do {
    const auto &tile = course.tile(number);
    const int from = offset + number * hopper::rows;
    GroupSums scores;
    hopper::products_begin();
    multiply_all(scores, shared.own_rows[group][0], tile[0]);
    hopper::products_commit();
    hopper::products_wait<0>();
    course.done_before(number);
    hopper::settle(scores);
    hopper::settle(out);
    hopper::settle(weights);
    float terms[2];
    bias<sloped>(scores, terms, rows, from, slope, reach.is_inner(from));
    float shrink[2];
    bool has_grown = false;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float most = -INFINITY;
#pragma unroll
      for (int n = 0; n < 8; n++) most = fmaxf(most, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
      most = fmaxf(highest[half], fmaf(quad_highest(most), score_factor<sloped>, terms[half]));
      // A row may have no token of its segment yet.
      const float base = most == -INFINITY ? 0 : most;
      shrink[half] = power_of_two(highest[half] - base);
      has_grown |= most != highest[half];
      highest[half] = most;
      float sum = 0;
#pragma unroll
      for (int n = 0; n < 8; n++)
#pragma unroll
        for (int k = 0; k < 2; k++) {
          float &score = scores[n][2 * half + k];
          score = power_of_two(fmaf(score, score_factor<sloped>, terms[half] - base));
          sum += score;
        }
      total[half] = has_grown ? fmaf(total[half], shrink[half], sum) : total[half] + sum;
    }
    if (__any_sync(0xffffffffu, has_grown)) {
#pragma unroll
      for (int n = 0; n < 8; n++)
#pragma unroll
        for (int j = 0; j < 4; j++) out[n][j] *= shrink[j / 2];
    }
#pragma unroll
    for (int step = 0; step < 4; step++) weights[step] = left_of(scores, step);
    hopper::settle(out);
    hopper::products_begin();
    add_turned(out, weights, tile[1]);
    hopper::products_commit();
  } while (++number < end);
  hopper::products_wait<0>();
  hopper::settle(out);
  hopper::settle(weights);
  course.skip(end, course.count);
  float factor[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const float sum = quad_sum(total[half]);
    factor[half] = sum > 0 ? 1 / sum : 0;
    if (threadIdx.x % 4 == 0 && rows.place[half] < reach.count)
      to.log_sum[head * to.tokens + reach.start + rows.place[half]] = highest[half] + log2f(sum);
  }
  write_group(
      out, shared.own_rows[group][0], static_cast<bf16 *>(to.out) + reach.start * width + head * 64, width, reach.count, factor[0],
      factor[1]);
#endif
}

// MARK: Backward

// Blocks of one group, so many per multiprocessor: what they wait for is hidden by one another.
constexpr int query_groups = 1, query_blocks = 3, query_stages = 3;
using QueryCourse = Course<query_groups, 2, query_stages>;

template <bool sloped>
__global__ void __launch_bounds__(query_groups * hopper::group_threads, query_blocks) hopper_query_kernel(
    const __grid_constant__ CUtensorMap qkv, const __grid_constant__ CUtensorMap gradients, SegmentedAttention to) {
#ifdef PIPELINE_HOPPER
  auto &shared = shared_memory<QueryCourse::Place>();
  const int width = static_cast<int>(to.heads) * 64, head = blockIdx.y, group = threadIdx.x / hopper::group_threads;
  QueryCourse course(shared, to, &qkv, width + head * 64, &qkv, 2 * width + head * 64);
  course.begin({&qkv, &gradients}, {head * 64, head * 64});
  const GroupReach reach(to, course.start + group * hopper::rows);
  const GroupRows rows(to, reach);
  const int offset = static_cast<int>(course.first - reach.start);
  const float slope = sloped ? slope_of(to, head) : 0;
  float log_sum[2], product[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const bool is_there = rows.place[half] < reach.count;
    const int64_t place = head * to.tokens + reach.start + rows.place[half];
    log_sum[half] = is_there ? to.log_sum[place] : 0;
    product[half] = is_there ? to.product[place] : 0;
  }
  hopper::wait(&shared.own_full, 0);

  GroupSums sums = {};
  GroupLeft left = {};
  if (reach.count == 0) return course.skip(0, course.count);
  const int end = course.end_of(reach);
  int number = course.first_of(reach);
  course.skip(0, number);
  do {
    const auto &tile = course.tile(number);
    const int from = offset + number * hopper::rows;
    GroupSums scores, gradient;
    hopper::products_begin();
    multiply_all(scores, shared.own_rows[group][0], tile[0]);
    hopper::products_commit();
    multiply_all(gradient, shared.own_rows[group][1], tile[1]);
    hopper::products_commit();
    hopper::products_wait<1>();
    course.done_before(number);
    hopper::settle(scores);
    hopper::settle(left);
    float terms[2];
    bias<sloped>(scores, terms, rows, from, slope, reach.is_inner(from));
#pragma unroll
    for (int n = 0; n < 8; n++)
#pragma unroll
      for (int j = 0; j < 4; j++) scores[n][j] = power_of_two(fmaf(scores[n][j], score_factor<sloped>, terms[j / 2] - log_sum[j / 2]));
    hopper::products_wait<0>();
    hopper::settle(gradient);
#pragma unroll
    for (int n = 0; n < 8; n++)
#pragma unroll
      for (int j = 0; j < 4; j++) scores[n][j] *= gradient[n][j] - product[j / 2];
#pragma unroll
    for (int step = 0; step < 4; step++) left[step] = left_of(scores, step);
    hopper::products_begin();
    add_turned(sums, left, tile[0]);
    hopper::products_commit();
  } while (++number < end);
  hopper::products_wait<0>();
  hopper::settle(sums);
  hopper::settle(left);
  course.skip(end, course.count);
  write_group(
      sums, shared.own_rows[group][0], static_cast<bf16 *>(to.qkv_gradient) + reach.start * 3 * width + head * 64, 3 * width,
      reach.count, score_scale, score_scale);
#endif
}

constexpr int key_groups = 1, key_blocks = 3, key_stages = 3;
using KeyCourse = Course<key_groups, 2, key_stages>;

template <bool sloped>
__global__ void __launch_bounds__(key_groups * hopper::group_threads, key_blocks) hopper_key_kernel(
    const __grid_constant__ CUtensorMap qkv, const __grid_constant__ CUtensorMap gradients, SegmentedAttention to) {
#ifdef PIPELINE_HOPPER
  auto &shared = shared_memory<KeyCourse::Place>();
  const int width = static_cast<int>(to.heads) * 64, head = blockIdx.y, group = threadIdx.x / hopper::group_threads;
  KeyCourse course(shared, to, &qkv, head * 64, &gradients, head * 64);
  course.begin({&qkv, &qkv}, {width + head * 64, 2 * width + head * 64});
  const GroupReach reach(to, course.start + group * hopper::rows);
  const GroupRows rows(to, reach);
  const int offset = static_cast<int>(course.first - reach.start);
  const float slope = sloped ? slope_of(to, head) : 0;
  // Each thread fetches one figure per tile: of a query's logarithmic sum, or of its product.
  const int query = threadIdx.x % hopper::rows, kind = threadIdx.x / hopper::rows % 2;
  const float *figures = (kind == 0 ? to.log_sum : to.product) + head * to.tokens;
  const auto figure = [&](int number) {
    const int64_t token = course.first + int64_t{number} * hopper::rows + query;
    return token < to.tokens ? figures[token] : 0;
  };
  if (reach.count == 0) return course.skip(0, course.count);
  const int end = course.end_of(reach);
  int number = course.first_of(reach);
  float next_figure = figure(number);
  hopper::wait(&shared.own_full, 0);

  GroupSums key_sums = {}, value_sums = {};
  GroupLeft weights = {}, left = {};
  course.skip(0, number);
  do {
    shared.figures[group][number & 1][kind][query] = next_figure;
    next_figure = figure(number + 1);
    hopper::group_sync(group);
    const auto &tile = course.tile(number);
    const int from = offset + number * hopper::rows;
    GroupSums scores;
    hopper::products_begin();
    multiply_all(scores, shared.own_rows[group][0], tile[0]);
    hopper::products_commit();
    hopper::products_wait<0>();
    course.done_before(number);
    const float *log_sums = shared.figures[group][number & 1][0] + threadIdx.x % 4 * 2, *products = log_sums + hopper::rows;
    hopper::settle(scores);
    hopper::settle(weights);
    hopper::settle(left);
    float terms[2];
    bias<sloped>(scores, terms, rows, from, slope, reach.is_inner(from));
#pragma unroll
    for (int n = 0; n < 8; n++) {
      const float2 log_sum = *reinterpret_cast<const float2 *>(log_sums + 8 * n);
#pragma unroll
      for (int j = 0; j < 4; j++) {
        const float term = terms[j / 2] - (j % 2 == 0 ? log_sum.x : log_sum.y);
        scores[n][j] = power_of_two(fmaf(scores[n][j], score_factor<sloped>, term));
      }
    }
#pragma unroll
    for (int step = 0; step < 4; step++) weights[step] = left_of(scores, step);
    GroupSums gradient;
    hopper::products_begin();
    multiply_all(gradient, shared.own_rows[group][1], tile[1]);
    hopper::products_commit();
    add_turned(value_sums, weights, tile[1]);
    hopper::products_commit();
    hopper::products_wait<1>();
    hopper::settle(gradient);
#pragma unroll
    for (int n = 0; n < 8; n++) {
      const float2 product = *reinterpret_cast<const float2 *>(products + 8 * n);
      // Pairs (g, 2t), (g + 8, 2t) of this eighth column.
      const uint32_t upper = weights[n / 2].at[n % 2 * 2], lower = weights[n / 2].at[n % 2 * 2 + 1];
      gradient[n][0] = __uint_as_float(upper << 16) * (gradient[n][0] - product.x);
      gradient[n][1] = __uint_as_float(upper & 0xffff0000u) * (gradient[n][1] - product.y);
      gradient[n][2] = __uint_as_float(lower << 16) * (gradient[n][2] - product.x);
      gradient[n][3] = __uint_as_float(lower & 0xffff0000u) * (gradient[n][3] - product.y);
    }
#pragma unroll
    for (int step = 0; step < 4; step++) left[step] = left_of(gradient, step);
    hopper::products_begin();
    add_turned(key_sums, left, tile[0]);
    hopper::products_commit();
  } while (++number < end);
  hopper::products_wait<0>();
  hopper::settle(key_sums);
  hopper::settle(value_sums);
  hopper::settle(weights);
  hopper::settle(left);
  course.skip(end, course.count);
  bf16 *result = static_cast<bf16 *>(to.qkv_gradient) + reach.start * 3 * width + head * 64;
  write_group(key_sums, shared.own_rows[group][0], result + width, 3 * width, reach.count, score_scale, score_scale);
  write_group(value_sums, shared.own_rows[group][1], result + 2 * width, 3 * width, reach.count, 1, 1);
#endif
}

// MARK: Launches

template <class... Arguments>
static void launch(
    void (*kernel)(Arguments...), const SegmentedAttention &to, int groups, int bytes, cudaStream_t stream, Arguments... arguments) {
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  const int64_t rows = int64_t{groups} * hopper::rows;
  const dim3 grid(static_cast<unsigned>((to.tokens + rows - 1) / rows), static_cast<unsigned>(to.heads));
  kernel<<<grid, groups * hopper::group_threads, bytes, stream>>>(arguments...);
  launched("segmented attention");
}

void hopper_segmented_forward(SegmentedAttention tensors, cudaStream_t stream) {
  const auto qkv = hopper::matrix_map(tensors.qkv, tensors.tokens, 3 * 64 * tensors.heads);
  launch(tensors.slopes ? hopper_forward_kernel<true> : hopper_forward_kernel<false>, tensors, forward_groups,
         shared_bytes<ForwardCourse::Place>, stream, qkv, tensors);
}

void hopper_segmented_backward(SegmentedAttention tensors, cudaStream_t stream) {
  const auto qkv = hopper::matrix_map(tensors.qkv, tensors.tokens, 3 * 64 * tensors.heads);
  const auto gradients = hopper::matrix_map(tensors.gradient, tensors.tokens, 64 * tensors.heads);
  launch(tensors.slopes ? hopper_query_kernel<true> : hopper_query_kernel<false>, tensors, query_groups,
         shared_bytes<QueryCourse::Place>, stream, qkv, gradients, tensors);
  launch(tensors.slopes ? hopper_key_kernel<true> : hopper_key_kernel<false>, tensors, key_groups,
         shared_bytes<KeyCourse::Place>, stream, qkv, gradients, tensors);
}

bool has_hopper_attention(int64_t tokens) {
  // Tokens are named by 32 bits.
  if (tokens > INT32_MAX - 4 * hopper::rows) return false;
  static const bool is_here = [] {
    int device = 0, major = 0, minor = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    if (major != 9 || minor != 0) return false;
    // Code for this very capability: what is compiled for any that comes close is empty.
    cudaFuncAttributes attributes;
    return cudaFuncGetAttributes(&attributes, hopper_forward_kernel<false>) == cudaSuccess && attributes.numRegs > 64;
  }();
  return is_here;
}

namespace hopper {

CUtensorMap matrix_map(const void *matrix, int64_t count, int64_t columns) {
  static const auto encode = [] {
    void *function = nullptr;
    cudaDriverEntryPointQueryResult result;
    cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &result);
    if (!function) throw std::runtime_error("this driver has no cuTensorMapEncodeTiled: driver 525 or newer is needed");
    return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(function);
  }();
  CUtensorMap map;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(count)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(columns) * sizeof(bf16)};
  const cuuint32_t boxes[] = {64, rows}, steps[] = {1, 1};
  const CUresult result = encode(
      &map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<void *>(matrix), sizes, strides, boxes, steps,
      CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) throw std::runtime_error("a matrix cannot be mapped: error " + std::to_string(result));
  return map;
}

}  // namespace hopper

}  // namespace pipeline

// Attention over segments as in segmented_attention.cu, on Hopper's tensor cores.
//
// A block has one or more groups of four warps, each with 64 rows of its own; they go through the same tiles of the other
// side, which one thread has copied ahead. Products run while the groups compute weights. Every sum has a fixed order, but
// not that of the kernels for other GPUs.
#include <cudaTypedefs.h>

#include "hopper_segments.cuh"

namespace pipeline {

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

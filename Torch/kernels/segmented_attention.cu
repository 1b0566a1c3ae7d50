// Attention over segments of any length with heads of size 64: tokens attend to the tokens of their own segment, which are
// consecutive, and distances are penalized by a slope per head (ALiBi, Press et al. 2022).
//
// The scores never leave the multiprocessor: a block goes through the keys of its queries and keeps the running maximum and
// sum of each (Dao 2023). The backward pass has a kernel for queries and one for keys and values, so that every sum has a
// fixed order; it recomputes the scores from their logarithmic sums.
#include "segments.cuh"

namespace pipeline {

// MARK: Forward

__global__ void __launch_bounds__(threads, 2) segmented_forward_kernel(SegmentedAttention to) {
  const Block at(to);
  const Tile<64> q = tile_at(0), k[2] = {tile_at(128), tile_at(192)}, v[2] = {tile_at(256), tile_at(320)};
  const Reach reach(to, at.start, at.rows);
  auto fetch_keys = [&](int number) {
    const bf16 *from = at.query(to, reach.first + int64_t{number} * loop_rows) + at.out_row;
    fetch_rows<loop_rows>(k[number & 1], from, at.row, reach.rows(number));
    fetch_rows<loop_rows>(v[number & 1], from + at.out_row, at.row, reach.rows(number));
  };
  fetch_rows<tile_rows>(q, at.query(to, at.start), at.row, at.rows);
  fetch_keys(0);
  end_of_group();

  const Rows rows(to, at.start, at.rows);
  const float slope = slope_of(to, at.head);
  RowSums out = {};
  float highest[blocks_per_warp][2], total[blocks_per_warp][2];
#pragma unroll
  for (int i = 0; i < blocks_per_warp; i++) {
    highest[i][0] = highest[i][1] = -INFINITY;
    total[i][0] = total[i][1] = 0;
  }
  for (int number = 0; number < reach.count; number++) {
    if (number + 1 < reach.count) fetch_keys(number + 1);
    end_of_group();
    fetched<1>();
    RowSums scores = {};
    multiply_rows(scores, q, at.warp_first, k[number & 1], 0);
    const int64_t from = reach.first + int64_t{number} * loop_rows;
    penalize(scores, rows, static_cast<int>(from - at.start), slope, reach.is_inner(from, loop_rows));
#pragma unroll
    for (int i = 0; i < blocks_per_warp; i++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float most = highest[i][half];
#pragma unroll
        for (int n = 0; n < 8; n++) most = fmaxf(most, fmaxf(scores[i][n][2 * half], scores[i][n][2 * half + 1]));
        most = quad_highest(most);
        // A row may have no token of its segment yet.
        const float base = most == -INFINITY ? 0 : most;
        const float shrink = power_of_two(highest[i][half] - base);
        highest[i][half] = most;
        float sum = 0;
#pragma unroll
        for (int n = 0; n < 8; n++) {
          float &a = scores[i][n][2 * half], &b = scores[i][n][2 * half + 1];
          a = power_of_two(a - base);
          b = power_of_two(b - base);
          sum += a + b;
          out[i][n][2 * half] *= shrink;
          out[i][n][2 * half + 1] *= shrink;
        }
        total[i][half] = fmaf(total[i][half], shrink, sum);
      }
    }
    const Columns columns(v[number & 1]);
#pragma unroll
    for (int step = 0; step < 4; step++) {
      Fragment left[blocks_per_warp];
      left_of(left, scores, step);
      multiply_step(out, left, columns, step);
    }
    __syncthreads();
  }
  float factor[blocks_per_warp][2];
#pragma unroll
  for (int i = 0; i < blocks_per_warp; i++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float sum = quad_sum(total[i][half]);
      factor[i][half] = sum > 0 ? 1 / sum : 0;
      const int row = rows.place[i][half];
      if (threadIdx.x % 4 == 0 && row < at.rows)
        to.log_sum[at.head * to.tokens + at.start + row] = highest[i][half] + log2f(sum);
    }
  }
  write(out, q, static_cast<bf16 *>(to.out) + at.start * at.out_row + at.head * 64, at.out_row, at, factor);
}

// MARK: Backward

// product[head, token] = Σ out · gradient
__global__ void __launch_bounds__(256) segmented_product_kernel(SegmentedAttention to) {
  const int64_t place = int64_t{blockIdx.x} * 256 + threadIdx.x, pair = place / 8, number = place % 8;
  const bool is_there = pair < to.tokens * to.heads;
  float sum = 0;
  if (is_there) {
    const uint4 a = static_cast<const uint4 *>(to.out_read)[place], b = static_cast<const uint4 *>(to.gradient)[place];
    const uint32_t x[4] = {a.x, a.y, a.z, a.w}, y[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      sum = fmaf(__uint_as_float(x[i] << 16), __uint_as_float(y[i] << 16), sum);
      sum = fmaf(__uint_as_float(x[i] & 0xffff0000u), __uint_as_float(y[i] & 0xffff0000u), sum);
    }
  }
#pragma unroll
  for (int i = 1; i < 8; i *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, i);
  if (is_there && number == 0) to.product[pair % to.heads * to.tokens + pair / to.heads] = sum;
}

__global__ void __launch_bounds__(threads, 2) segmented_query_kernel(SegmentedAttention to) {
  const Block at(to);
  const Tile<64> q = tile_at(0), d = tile_at(128), k[2] = {tile_at(256), tile_at(320)}, v[2] = {tile_at(384), tile_at(448)};
  const Reach reach(to, at.start, at.rows);
  auto fetch_keys = [&](int number) {
    const bf16 *from = at.query(to, reach.first + int64_t{number} * loop_rows) + at.out_row;
    fetch_rows<loop_rows>(k[number & 1], from, at.row, reach.rows(number));
    fetch_rows<loop_rows>(v[number & 1], from + at.out_row, at.row, reach.rows(number));
  };
  fetch_rows<tile_rows>(q, at.query(to, at.start), at.row, at.rows);
  fetch_rows<tile_rows>(d, at.outer(to.gradient, at.start), at.out_row, at.rows);
  fetch_keys(0);
  end_of_group();

  const Rows rows(to, at.start, at.rows);
  const float slope = slope_of(to, at.head);
  float log_sum[blocks_per_warp][2], product[blocks_per_warp][2];
#pragma unroll
  for (int i = 0; i < blocks_per_warp; i++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = rows.place[i][half];
      const int64_t place = at.head * to.tokens + at.start + row;
      log_sum[i][half] = row < at.rows ? to.log_sum[place] : 0;
      product[i][half] = row < at.rows ? to.product[place] : 0;
    }
  }
  RowSums sums = {};
  for (int number = 0; number < reach.count; number++) {
    if (number + 1 < reach.count) fetch_keys(number + 1);
    end_of_group();
    fetched<1>();
    const Tile<64> keys = k[number & 1], values = v[number & 1];
    const Columns columns(keys);
    const int64_t from = reach.first + int64_t{number} * loop_rows;
    const bool is_inner = reach.is_inner(from, loop_rows);
#pragma unroll 1
    for (int part = 0; part < loop_rows / half_rows; part++) {
      HalfSums scores = {}, gradient = {};
      multiply_rows(scores, q, at.warp_first, keys, part * half_rows);
      multiply_rows(gradient, d, at.warp_first, values, part * half_rows);
      penalize(scores, rows, static_cast<int>(from - at.start) + part * half_rows, slope, is_inner);
#pragma unroll
      for (int i = 0; i < blocks_per_warp; i++)
#pragma unroll
        for (int n = 0; n < 4; n++)
#pragma unroll
          for (int j = 0; j < 4; j++) {
            const float weight = power_of_two(scores[i][n][j] - log_sum[i][j / 2]);
            scores[i][n][j] = weight * (gradient[i][n][j] - product[i][j / 2]);
          }
#pragma unroll
      for (int step = 0; step < 2; step++) {
        Fragment left[blocks_per_warp];
        left_of(left, scores, step);
        multiply_step(sums, left, columns, 2 * part + step);
      }
    }
    __syncthreads();
  }
  const float factor[blocks_per_warp][2] = {{score_scale, score_scale}, {score_scale, score_scale}};
  write(sums, q, static_cast<bf16 *>(to.qkv_gradient) + at.start * at.row + at.head * 64, at.row, at, factor);
}

__device__ inline float2 read_floats(uint32_t place) {
  float2 x;
  asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(x.x), "=f"(x.y) : "r"(place) : "memory");
  return x;
}

__global__ void __launch_bounds__(threads, 2) segmented_key_kernel(SegmentedAttention to) {
  const Block at(to);
  const Tile<64> k = tile_at(0), v = tile_at(128), q[2] = {tile_at(256), tile_at(320)}, d[2] = {tile_at(384), tile_at(448)};
  // Per buffer: the queries' logarithmic sums, then their products.
  const uint32_t figures = tile_at(512).base;
  const Reach reach(to, at.start, at.rows);
  auto fetch_queries = [&](int number) {
    const int64_t first = reach.first + int64_t{number} * loop_rows;
    const int rows = reach.rows(number);
    fetch_rows<loop_rows>(q[number & 1], at.query(to, first), at.row, rows);
    fetch_rows<loop_rows>(d[number & 1], at.outer(to.gradient, first), at.out_row, rows);
    const int query = threadIdx.x % loop_rows;
    const bool is_there = query < rows;
    const float *from = (threadIdx.x < loop_rows ? to.log_sum : to.product) + at.head * to.tokens + first + (is_there ? query : 0);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(figures + 4 * ((number & 1) * threads + threadIdx.x)),
                 "l"(from), "r"(is_there ? 4 : 0));
  };
  fetch_rows<tile_rows>(k, at.query(to, at.start) + at.out_row, at.row, at.rows);
  fetch_rows<tile_rows>(v, at.query(to, at.start) + 2 * at.out_row, at.row, at.rows);
  fetch_queries(0);
  end_of_group();

  const Rows rows(to, at.start, at.rows);
  const float slope = slope_of(to, at.head);
  RowSums key_sums = {}, value_sums = {};
  for (int number = 0; number < reach.count; number++) {
    if (number + 1 < reach.count) fetch_queries(number + 1);
    end_of_group();
    fetched<1>();
    const Tile<64> queries = q[number & 1], outside = d[number & 1];
    const Columns query_columns(queries), outside_columns(outside);
    const int64_t from = reach.first + int64_t{number} * loop_rows;
    const bool is_inner = reach.is_inner(from, loop_rows);
#pragma unroll 1
    for (int part = 0; part < loop_rows / half_rows; part++) {
      const uint32_t sums_at = figures + 4 * ((number & 1) * threads + part * half_rows + 2 * (threadIdx.x % 4));
      HalfSums weights = {};
      multiply_rows(weights, k, at.warp_first, queries, part * half_rows);
      penalize(weights, rows, static_cast<int>(from - at.start) + part * half_rows, slope, is_inner);
#pragma unroll
      for (int n = 0; n < 4; n++) {
        const float2 log_sum = read_floats(sums_at + 32 * n);
#pragma unroll
        for (int i = 0; i < blocks_per_warp; i++)
#pragma unroll
          for (int j = 0; j < 4; j++) weights[i][n][j] = power_of_two(weights[i][n][j] - (j % 2 == 0 ? log_sum.x : log_sum.y));
      }
#pragma unroll
      for (int step = 0; step < 2; step++) {
        Fragment left[blocks_per_warp];
        left_of(left, weights, step);
        multiply_step(value_sums, left, outside_columns, 2 * part + step);
      }
      HalfSums gradient = {};
      multiply_rows(gradient, v, at.warp_first, outside, part * half_rows);
#pragma unroll
      for (int n = 0; n < 4; n++) {
        const float2 product = read_floats(sums_at + 4 * loop_rows + 32 * n);
#pragma unroll
        for (int i = 0; i < blocks_per_warp; i++)
#pragma unroll
          for (int j = 0; j < 4; j++) weights[i][n][j] *= gradient[i][n][j] - (j % 2 == 0 ? product.x : product.y);
      }
#pragma unroll
      for (int step = 0; step < 2; step++) {
        Fragment left[blocks_per_warp];
        left_of(left, weights, step);
        multiply_step(key_sums, left, query_columns, 2 * part + step);
      }
    }
    __syncthreads();
  }
  bf16 *result = static_cast<bf16 *>(to.qkv_gradient) + at.start * at.row + at.head * 64;
  const float scaled[blocks_per_warp][2] = {{score_scale, score_scale}, {score_scale, score_scale}};
  const float plain[blocks_per_warp][2] = {{1, 1}, {1, 1}};
  write(key_sums, k, result + at.out_row, at.row, at, scaled);
  write(value_sums, v, result + 2 * at.out_row, at.row, at, plain);
}

static void launch(void (*kernel)(SegmentedAttention), const SegmentedAttention &tensors, int bytes, cudaStream_t stream) {
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  const dim3 grid(static_cast<unsigned>((tensors.tokens + tile_rows - 1) / tile_rows), static_cast<unsigned>(tensors.heads));
  kernel<<<grid, threads, bytes, stream>>>(tensors);
  launched("segmented attention");
}

void segmented_attention_forward(SegmentedAttention tensors, cudaStream_t stream) {
  if (has_hopper_attention(tensors.tokens)) return hopper_segmented_forward(tensors, stream);
  launch(segmented_forward_kernel, tensors, 384 * Tile<64>::row_bytes, stream);
}

void segmented_attention_backward(SegmentedAttention tensors, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>((tensors.tokens * tensors.heads * 8 + 255) / 256);
  segmented_product_kernel<<<blocks, 256, 0, stream>>>(tensors);
  launched("segmented attention");
  if (has_hopper_attention(tensors.tokens)) return hopper_segmented_backward(tensors, stream);
  launch(segmented_query_kernel, tensors, 512 * Tile<64>::row_bytes, stream);
  launch(segmented_key_kernel, tensors, 512 * Tile<64>::row_bytes + 2 * threads * 4, stream);
}

}  // namespace pipeline

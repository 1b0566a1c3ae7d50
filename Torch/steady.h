// CPU operations whose results do not depend on the number of threads: the work is divided into pieces by its own
// sizes, and pieces are not split further.
//
// torch divides work by the number of threads, and MKL orders sums differently for other numbers: single bits differ at
// first, and after a thousand steps all of them.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>

#include "operations.h"

#ifndef _OPENMP
#error "Compile with -fopenmp: without it, ATen's parallel_for is a plain loop and MKL splits the work in it."
#endif

namespace pipeline::steady {

// Runs work(first, last) over `count` items in pieces of `size`, in parallel.
template <class Work>
void pieces(int64_t count, int64_t size, Work &&work) {
  const int64_t total = (count + size - 1) / size;
  // At least two: a single one would run outside a parallel region, where MKL uses all threads.
  at::parallel_for(0, std::max<int64_t>(total, 2), 1, [&](int64_t first, int64_t last) {
    at::AutoDispatchBelowADInplaceOrView below;
    for (int64_t piece = first; piece < std::min(last, total); piece++)
      work(piece * size, std::min(count, (piece + 1) * size));
  });
}

at::Tensor linear(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias);
at::Tensor layer_norm(const at::Tensor &x, const at::Tensor &weight, const MaybeTensor &bias, double epsilon);
at::Tensor gelu(const at::Tensor &x);
at::Tensor tanh(const at::Tensor &x);
// gelu(first half) · second half, over the last dimension
at::Tensor geglu(const at::Tensor &x);

// x with dropped values, selected by the default generator's next number, the row's id and the column. All dimensions
// except the last one form the rows; without ids, their indices are used.
at::Tensor dropout(const at::Tensor &x, const MaybeTensor &rows, double probability);

// Attention with dropout of its weights. q, k, v: [batch, heads, length, d]; `samples` [batch]: their ids for dropout.
at::Tensor attention(
    const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, const MaybeTensor &bias, const MaybeTensor &samples,
    double probability);

}  // namespace pipeline::steady

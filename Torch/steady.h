// Work on the CPU whose results are the same whatever the number of threads: it is cut into pieces by its own sizes, and
// nothing inside a piece is split further.
//
// torch itself cuts by the number of threads, and MKL chooses other sums for other numbers: a bit differs here and there,
// and after a thousand steps all of them.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>

#include "operations.h"

#ifndef _OPENMP
#error "Compile with -fopenmp: without it ATen's parallel_for is a loop, and MKL splits what is in it."
#endif

namespace pipeline::steady {

// Runs work(first, last) over `count` things in pieces of `size`, beside one another.
template <class Work>
void pieces(int64_t count, int64_t size, Work &&work) {
  const int64_t total = (count + size - 1) / size;
  // Two at least: one alone would run outside of a parallel region, where MKL takes all threads.
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

// x with values dropped: which ones follows from the default generator's next number, the row's name and the column. A
// row is all but the last dimension; without names its number is its name.
at::Tensor dropout(const at::Tensor &x, const MaybeTensor &rows, double probability);

// Attention with dropout of its weights, q, k, v [batch, heads, length, d]; `samples` [batch] names them for dropout.
at::Tensor attention(
    const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, const MaybeTensor &bias, const MaybeTensor &samples,
    double probability);

}  // namespace pipeline::steady

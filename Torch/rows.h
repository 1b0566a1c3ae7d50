// Tensors as the fused kernels take them: rows of one type, in one piece of memory.
#pragma once
#include <c10/cuda/CUDAStream.h>

#include "kernels.h"
#include "operations.h"

namespace pipeline::fused {

inline Element element_of(const at::Tensor &x) {
  return x.scalar_type() == at::kBFloat16 ? Element::bfloat16 : Element::float32;
}

// All dimensions except the last one form the rows.
inline Matrix matrix(const at::Tensor &x) { return {element_of(x), x.numel() / x.size(-1), x.size(-1)}; }

// In the layout that the kernels read: contiguous, and aligned to 16-byte vectors.
inline at::Tensor laid(const at::Tensor &x) {
  auto flat = x.contiguous();
  return reinterpret_cast<uintptr_t>(flat.data_ptr()) % 16 == 0 ? flat : flat.clone();
}

inline at::Tensor laid(const MaybeTensor &x) { return x && x->defined() ? laid(*x) : at::Tensor(); }
inline void *address(const at::Tensor &x) { return x.defined() ? x.data_ptr() : nullptr; }

inline cudaStream_t stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

}  // namespace pipeline::fused

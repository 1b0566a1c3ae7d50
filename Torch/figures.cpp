// Numbers that the host reads while the device goes on with later work.
#ifdef PIPELINE_CUDA
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAStream.h>
#endif

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>

#include "boundary.h"

struct pt_figures {
  at::Tensor values;  // in pinned memory if the device fills them
#ifdef PIPELINE_CUDA
  std::optional<at::cuda::CUDAEvent> copied;
#endif
};

namespace pipeline {

static int figures_copy(pt_tensor *const *tensors, size_t count, pt_figures **out) {
  return guarded([&] {
    c10::NoGradGuard none;
    std::vector<at::Tensor> flat;
    for (auto &tensor : list(tensors, count)) flat.push_back(tensor.reshape({-1}).to(at::kDouble));
    auto all = at::cat(flat);
    auto figures = std::make_unique<pt_figures>();
    figures->values = at::empty(all.sizes(), all.options().device(at::kCPU).pinned_memory(all.is_cuda()));
    figures->values.copy_(all, /*non_blocking=*/true);
#ifdef PIPELINE_CUDA
    if (all.is_cuda()) {
      figures->copied.emplace();
      figures->copied->record(c10::cuda::getCurrentCUDAStream(all.device().index()));
    }
#endif
    *out = figures.release();
  });
}

static int figures_read(pt_figures *figures, double *values, size_t count) {
  return guarded([&] {
    if (static_cast<size_t>(figures->values.numel()) != count) throw std::length_error("there are other figures");
#ifdef PIPELINE_CUDA
    if (figures->copied) figures->copied->synchronize();
#endif
    std::copy_n(figures->values.data_ptr<double>(), count, values);
  });
}

void add_figure_functions(pt_engine &engine) {
  engine.figures_copy = figures_copy;
  engine.figures_read = figures_read;
  engine.figures_free = [](pt_figures *figures) { delete figures; };
}

}  // namespace pipeline

// Devices, threads, random number generators.
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <sys/resource.h>

#ifdef PIPELINE_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#endif

#include "boundary.h"

namespace pipeline {

static int32_t device_count() { return static_cast<int32_t>(at::detail::getCUDAHooks().deviceCount()); }

static int device_name(pt_device device, char *name, size_t capacity) {
  return guarded([&] {
    std::string text = "CPU";
#ifdef PIPELINE_CUDA
    if (device.index >= 0) text = at::cuda::getDeviceProperties(device.index)->name;
#endif
    snprintf(name, capacity, "%s", text.c_str());
  });
}

static int set_threads(int32_t count) {
  return guarded([&] { at::set_num_threads(count); });
}

static int seed(uint64_t value) {
  return guarded([&] { at::manual_seed(value); });
}

static int synchronize([[maybe_unused]] pt_device device) {
  return guarded([&] {
#ifdef PIPELINE_CUDA
    if (device.index >= 0) {
      c10::cuda::set_device(static_cast<c10::DeviceIndex>(device.index));
      c10::cuda::device_synchronize();
    }
#endif
  });
}

// On a CUDA device, the peak of tensors; on the CPU, of the entire process.
static int peak_memory(pt_device device, int64_t *bytes) {
  return guarded([&] {
#ifdef PIPELINE_CUDA
    if (device.index >= 0) {
      auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(device.index));
      *bytes = stats.allocated_bytes[0].peak;
      return;
    }
#endif
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    *bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  });
}

void add_device_functions(pt_engine &engine) {
  engine.device_count = device_count;
  engine.device_name = device_name;
  engine.set_threads = set_threads;
  engine.seed = seed;
  engine.synchronize = synchronize;
  engine.peak_memory = peak_memory;
}

}  // namespace pipeline

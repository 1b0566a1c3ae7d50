// Processes that train one model together over c10d: gloo between CPUs, NCCL between GPUs.
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef PIPELINE_CUDA
#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <chrono>
#include <stdexcept>

#include "group.h"

namespace pipeline {

using std::chrono::milliseconds;

static c10::intrusive_ptr<c10d::Backend> gloo(
    const c10::intrusive_ptr<c10d::Store> &store, int rank, int size, bool local, milliseconds timeout) {
  auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  options->devices.push_back(
      local ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1") : c10d::ProcessGroupGloo::createDefaultDevice());
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
}

#ifdef PIPELINE_CUDA
static c10::intrusive_ptr<c10d::Backend> nccl(
    const c10::intrusive_ptr<c10d::Store> &store, int rank, int size, at::Device device, milliseconds timeout) {
  c10::cuda::set_device(device.index());
  // Messages go first: what follows waits for them, and they take few of the device's multiprocessors.
  auto options = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
}
#endif

static int group_join(
    const char *backend, const char *host, int32_t port, int32_t rank, int32_t size, pt_device device,
    double timeout_seconds, pt_group **out) {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(port);
    options.isServer = rank == 0;
    options.numWorkers = size;
    options.timeout = milliseconds(static_cast<int64_t>(timeout_seconds * 1000));
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    std::string name = backend;
    c10::intrusive_ptr<c10d::Backend> joined;
    if (name == "gloo") {
      std::string where = host;
      joined = gloo(store, rank, size, where == "127.0.0.1" || where == "localhost", options.timeout);
    }
#ifdef PIPELINE_CUDA
    if (name == "nccl") joined = nccl(store, rank, size, place(device), options.timeout);
#endif
    if (!joined) throw std::invalid_argument("this engine has no backend '" + name + "'");
    *out = new pt_group{store, joined, place(device)};
  });
}

// One message per dtype, because there are many gradients and most are small.
template <class Exchange>
static void flattened(const std::vector<at::Tensor> &tensors, Exchange &&exchange) {
  c10::NoGradGuard none;
  if (tensors.empty()) return;
  // A single tensor is its own message: no copies.
  if (tensors.size() == 1 && tensors[0].is_contiguous()) {
    std::vector<at::Tensor> message{tensors[0].view({-1})};
    return exchange(message);
  }
  std::vector<at::Tensor> flat;
  flat.reserve(tensors.size());
  for (auto &tensor : tensors) flat.push_back(tensor.reshape({-1}));
  std::vector<at::Tensor> message{at::cat(flat)};
  exchange(message);
  int64_t start = 0;
  for (auto &tensor : tensors) {
    tensor.copy_(message[0].narrow(0, start, tensor.numel()).view(tensor.sizes()));
    start += tensor.numel();
  }
}

static int group_sum(pt_group *group, pt_tensor *const *tensors, size_t count) {
  return guarded([&] {
    flattened(list(tensors, count), [&](auto &message) { group->backend->allreduce(message)->wait(); });
  });
}

static int group_broadcast(pt_group *group, pt_tensor *const *tensors, size_t count, int32_t root) {
  return guarded([&] {
    flattened(list(tensors, count), [&](auto &message) {
      c10d::BroadcastOptions options;
      options.rootRank = root;
      group->backend->broadcast(message, options)->wait();
    });
  });
}

void add_group_functions(pt_engine &engine) {
  engine.group_join = group_join;
  engine.group_sum = group_sum;
  engine.group_broadcast = group_broadcast;
  engine.group_leave = [](pt_group *group) { delete group; };
}

}  // namespace pipeline

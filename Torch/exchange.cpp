// Sums gradients over processes while the backward pass still computes others.
//
// A bucket's message leaves as soon as the last of its gradients is final. Buckets leave in one order on every rank,
// that of the parameters backwards, which is about the order in which the backward pass ends with them. Sums of a step's
// microbatches lie in the buckets' messages themselves, so that nothing is copied before and after.
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include <exception>
#include <memory>
#include <stdexcept>

#include "group.h"

namespace pipeline {

class Exchange {
 public:
  Exchange(
      c10::intrusive_ptr<c10d::Backend> backend, std::vector<at::Tensor> parameters, std::vector<at::Tensor> sums,
      int64_t bucket_bytes)
      : backend(std::move(backend)), parameters(std::move(parameters)), sums(std::move(sums)) {
    bucket_of.resize(this->parameters.size());
    int64_t bytes = bucket_bytes;  // so that the first parameter opens a bucket
    for (size_t i = this->parameters.size(); i-- > 0;) {
      if (bytes >= bucket_bytes) {
        buckets.emplace_back();
        bytes = 0;
      }
      buckets.back().members.push_back(i);
      bucket_of[i] = buckets.size() - 1;
      bytes += this->parameters[i].numel() * static_cast<int64_t>(sizeof(float));
    }
    for (auto &bucket : buckets) lay(bucket);
    clear();
  }

  void arm(bool adds) {
    clear();
    armed = true;
    this->adds = adds;
  }

  // Called by the backward pass when the gradient of a parameter is complete.
  void ready(size_t i) {
    if (!armed) return;
    if (seen[i]) throw std::logic_error("a gradient came twice in one backward pass");
    c10::NoGradGuard none;
    seen[i] = true;
    auto &bucket = buckets[bucket_of[i]];
    if (--bucket.missing > 0) return;
    if (!sums.empty()) take(bucket);
    send_in_order();
  }

  // Returns the number of buckets that were sent before.
  int64_t flush(bool any) {
    c10::NoGradGuard none;
    auto early = static_cast<int64_t>(next);
    for (size_t i = 0; i < parameters.size(); i++)
      if (!seen[i]) complete(i, any);
    for (auto &bucket : buckets) bucket.missing = 0;
    armed = false;
    send_in_order();
    if (failure) std::rethrow_exception(failure);
    return early;
  }

  void finish() {
    c10::NoGradGuard none;
    for (auto &bucket : buckets) {
      bucket.work->wait();
      if (!sums.empty()) continue;
      int64_t start = 0;
      for (auto i : bucket.members) {
        auto &to = parameters[i].mutable_grad();
        to.copy_(bucket.message[0].narrow(0, start, to.numel()).view(to.sizes()));
        start += to.numel();
      }
    }
    clear();
  }

 private:
  struct Bucket {
    std::vector<size_t> members;
    size_t missing = 0;
    std::vector<at::Tensor> message;
    c10::intrusive_ptr<c10d::Work> work;
  };

  // Where the kernels that read several numbers at once want a tensor to begin, in numbers.
  static constexpr int64_t alignment = 64;

  // Makes the bucket's sums parts of its message.
  void lay(Bucket &bucket) {
    if (sums.empty()) return;
    c10::NoGradGuard none;
    int64_t total = 0;
    std::vector<int64_t> starts;
    for (auto i : bucket.members) {
      starts.push_back(total);
      total += (sums[i].numel() + alignment - 1) / alignment * alignment;
    }
    auto message = at::zeros({total}, sums[bucket.members[0]].options());
    for (size_t k = 0; k < starts.size(); k++) {
      auto &sum = sums[bucket.members[k]];
      auto part = message.narrow(0, starts[k], sum.numel()).view(sum.sizes());
      part.copy_(sum);
      sum.set_data(part);
    }
    bucket.message = {message};
  }

  // The gradients of the last backward pass.
  void take(Bucket &bucket) {
    std::vector<at::Tensor> to, fresh;
    for (auto i : bucket.members) {
      auto &gradient = parameters[i].mutable_grad();
      to.push_back(sums[i]);
      fresh.push_back(gradient);
      gradient = at::Tensor();
    }
    if (adds) at::_foreach_add_(to, fresh);
    else at::_foreach_copy_(to, fresh);
  }

  // What no backward pass has brought since `arm`: sums of earlier ones, or zeros.
  void complete(size_t i, bool any) {
    if (any && (armed || (sums.empty() && !parameters[i].grad().defined())))
      throw std::invalid_argument("the loss does not depend on a parameter");
    if (any) return;
    if (sums.empty()) parameters[i].mutable_grad() = at::zeros_like(parameters[i]);
    else sums[i].zero_();
  }

  void send_in_order() {
    while (next < buckets.size() && buckets[next].missing == 0) send(buckets[next++]);
  }

  // A lost process is reported by `flush`, not as an error of the backward pass.
  void send(Bucket &bucket) noexcept {
    if (failure) return;
    try {
      if (sums.empty()) {
        std::vector<at::Tensor> flat;
        flat.reserve(bucket.members.size());
        for (auto i : bucket.members) flat.push_back(parameters[i].grad().reshape({-1}));
        bucket.message = {at::cat(flat)};
      }
      bucket.work = backend->allreduce(bucket.message);
    } catch (...) {
      failure = std::current_exception();
    }
  }

  void clear() {
    for (auto &bucket : buckets) {
      bucket.missing = bucket.members.size();
      if (sums.empty()) bucket.message.clear();
      bucket.work.reset();
    }
    seen.assign(parameters.size(), false);
    next = 0;
    armed = adds = false;
    failure = nullptr;
  }

  c10::intrusive_ptr<c10d::Backend> backend;
  std::vector<at::Tensor> parameters, sums;
  std::vector<Bucket> buckets;
  std::vector<size_t> bucket_of;
  std::vector<bool> seen;
  size_t next = 0;
  bool armed = false, adds = false;
  std::exception_ptr failure;
};

struct Ready : torch::autograd::PostAccumulateGradHook {
  std::weak_ptr<Exchange> exchange;
  size_t place;

  Ready(std::weak_ptr<Exchange> exchange, size_t place) : exchange(std::move(exchange)), place(place) {}
  void operator()(const at::Tensor &) override {
    if (auto live = exchange.lock()) live->ready(place);
  }
};

}  // namespace pipeline

struct pt_exchange {
  std::shared_ptr<pipeline::Exchange> value;
};

namespace pipeline {

static int exchange_new(
    pt_group *group, pt_tensor *const *parameters, pt_tensor *const *sums, size_t count, int64_t bucket_bytes,
    pt_exchange **out) {
  return guarded([&] {
    auto watched = list(parameters, count);
    auto exchange = std::make_shared<Exchange>(
        group->backend, watched, sums ? list(sums, count) : std::vector<at::Tensor>(), bucket_bytes);
    for (size_t i = 0; i < count; i++)
      torch::autograd::impl::set_post_acc_grad_hooks(watched[i], std::make_unique<Ready>(exchange, i));
    *out = new pt_exchange{std::move(exchange)};
  });
}

void add_exchange_functions(pt_engine &engine) {
  engine.exchange_new = exchange_new;
  engine.exchange_arm = [](pt_exchange *exchange, bool adds) { return guarded([&] { exchange->value->arm(adds); }); };
  engine.exchange_flush = [](pt_exchange *exchange, bool any, int64_t *early) {
    return guarded([&] { *early = exchange->value->flush(any); });
  };
  engine.exchange_finish = [](pt_exchange *exchange) { return guarded([&] { exchange->value->finish(); }); };
  engine.exchange_free = [](pt_exchange *exchange) { delete exchange; };
}

}  // namespace pipeline

// Sums gradients over processes while the backward pass still computes others.
//
// A bucket's message leaves as soon as the last of its gradients is final. Buckets leave in one order on every rank,
// that of the parameters backwards, which is about the order in which the backward pass ends with them. Sums of a step's
// microbatches lie in the buckets' messages themselves (see flat.h), so that nothing is copied before and after.
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include <exception>
#include <memory>
#include <stdexcept>

#include "flat.h"

namespace pipeline {

class Exchange {
 public:
  Exchange(
      c10::intrusive_ptr<c10d::Backend> backend, std::vector<at::Tensor> parameters, std::shared_ptr<Flat> flat,
      int64_t bucket_bytes)
      : backend(std::move(backend)), parameters(std::move(parameters)), flat(std::move(flat)) {
    if (this->flat)
      for (auto &bucket : this->flat->buckets()) add(bucket.members);
    else
      for (auto &members : buckets_of(this->parameters, bucket_bytes)) add(members);
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
    if (flat) take(bucket);
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
      if (flat) continue;
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

  void add(const std::vector<size_t> &members) {
    bucket_of.resize(parameters.size());
    for (auto i : members) bucket_of[i] = buckets.size();
    buckets.emplace_back();
    buckets.back().members = members;
  }

  // The gradients of the last backward pass.
  void take(Bucket &bucket) {
    std::vector<at::Tensor> to, fresh;
    for (auto i : bucket.members) {
      auto &gradient = parameters[i].mutable_grad();
      to.push_back(flat->sums()[i]);
      fresh.push_back(gradient);
      gradient = at::Tensor();
    }
    if (adds) at::_foreach_add_(to, fresh);
    else at::_foreach_copy_(to, fresh);
  }

  // What no backward pass has brought since `arm`: sums of earlier ones, or zeros.
  void complete(size_t i, bool any) {
    if (any && (armed || (!flat && !parameters[i].grad().defined())))
      throw std::invalid_argument("the loss does not depend on a parameter");
    if (any) return;
    if (flat) flat->sums()[i].zero_();
    else parameters[i].mutable_grad() = at::zeros_like(parameters[i]);
  }

  void send_in_order() {
    while (next < buckets.size() && buckets[next].missing == 0) send(next++);
  }

  // A lost process is reported by `flush`, not as an error of the backward pass.
  void send(size_t number) noexcept {
    if (failure) return;
    auto &bucket = buckets[number];
    try {
      if (flat) {
        bucket.work = flat->reduce(number);
        return;
      }
      std::vector<at::Tensor> pieces;
      pieces.reserve(bucket.members.size());
      for (auto i : bucket.members) pieces.push_back(parameters[i].grad().reshape({-1}));
      bucket.message = {at::cat(pieces)};
      bucket.work = backend->allreduce(bucket.message);
    } catch (...) {
      failure = std::current_exception();
    }
  }

  void clear() {
    for (auto &bucket : buckets) {
      bucket.missing = bucket.members.size();
      bucket.message.clear();
      bucket.work.reset();
    }
    seen.assign(parameters.size(), false);
    next = 0;
    armed = adds = false;
    failure = nullptr;
  }

  c10::intrusive_ptr<c10d::Backend> backend;
  std::vector<at::Tensor> parameters;
  // null if the model computes in fp32: then torch itself sums a step's microbatches.
  std::shared_ptr<Flat> flat;
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
    pt_group *group, pt_tensor *const *parameters, size_t count, pt_flat *flat, int64_t bucket_bytes, pt_exchange **out) {
  return guarded([&] {
    auto watched = list(parameters, count);
    auto exchange = std::make_shared<Exchange>(
        group->backend, watched, flat ? flat->value : std::shared_ptr<Flat>(), bucket_bytes);
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

// AdamW in one piece of memory (see flat.h).
#include "flat.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "trace.h"

#ifdef PIPELINE_CUDA
#include <c10/cuda/CUDAStream.h>

#include "kernels.h"
#endif

namespace pipeline {

std::vector<std::vector<size_t>> buckets_of(const std::vector<at::Tensor> &parameters, int64_t bytes) {
  std::vector<std::vector<size_t>> buckets;
  int64_t filled = bytes;  // so that the first parameter opens a bucket
  for (size_t i = parameters.size(); i-- > 0;) {
    if (filled >= bytes) {
      buckets.emplace_back();
      filled = 0;
    }
    buckets.back().push_back(i);
    filled += parameters[i].numel() * static_cast<int64_t>(sizeof(float));
  }
  return buckets;
}

static int64_t up(int64_t count, int64_t multiple) { return (count + multiple - 1) / multiple * multiple; }

Flat::Flat(
    c10::intrusive_ptr<c10d::Backend> backend, Lists given, std::vector<uint8_t> of_parameters, int64_t bucket_bytes)
    : backend(std::move(backend)), lists(std::move(given)) {
  if (this->backend) {
    processes = this->backend->getSize();
    rank = this->backend->getRank();
  }
  for (auto &members : buckets_of(lists.masters, bucket_bytes)) {
    Bucket bucket{members, length, 0, 0, blocks};
    for (auto i : members) {
      const auto count = up(lists.masters[i].numel(), block) / block;
      bucket.blocks += count;
      kinds.insert(kinds.end(), count, of_parameters[i]);
    }
    bucket.length = up(bucket.blocks, processes) * block;
    length += bucket.length;
    blocks += bucket.blocks;
    all.push_back(std::move(bucket));
  }
  c10::NoGradGuard none;
  lay(lists.masters, weights);
  lay(lists.sums, gradients);
  lay(lists.first, averages);
  lay(lists.second, squares);
  lay(lists.working, copies);
}

void Flat::lay(std::vector<at::Tensor> &tensors, at::Tensor &piece) {
  piece = at::zeros({length}, tensors[0].options().requires_grad(false));
  for (auto &bucket : all) {
    int64_t start = bucket.start;
    for (auto i : bucket.members) {
      auto &tensor = tensors[i];
      auto part = piece.narrow(0, start, tensor.numel()).view(tensor.sizes());
      part.copy_(tensor);
      tensor.set_data(part);
      start += up(tensor.numel(), block);
    }
  }
}

at::Tensor Flat::whole(const at::Tensor &piece, const Bucket &bucket) const {
  return piece.narrow(0, bucket.start, bucket.length);
}

at::Tensor Flat::own(const at::Tensor &bucket) const {
  const auto part = bucket.numel() / processes;
  return bucket.narrow(0, rank * part, part);
}

std::vector<Flat::Part> Flat::parts(size_t first, size_t last) const {
  std::vector<Part> parts;
  for (size_t i = first; i < last; i++) {
    auto &bucket = all[i];
    const auto share = bucket.length / block / processes, before = rank * share;
    const auto count = std::min(share, bucket.blocks - before);
    if (count > 0) parts.push_back({bucket.start + before * block, count, bucket.first_block + before});
  }
  return parts;
}

std::vector<Flat::Part> Flat::parts(size_t first, size_t last, uint8_t kind) const {
  std::vector<Part> some;
  for (auto &part : parts(first, last)) {
    int64_t begin = -1;
    for (int64_t i = 0; i <= part.blocks; i++) {
      const bool is_wanted = i < part.blocks && kinds[part.first_block + i] == kind;
      if (is_wanted && begin < 0) begin = i;
      if (is_wanted || begin < 0) continue;
      some.push_back({part.start + begin * block, i - begin, part.first_block + begin});
      begin = -1;
    }
  }
  return some;
}

// MARK: Between processes

Work Flat::reduce(size_t number) {
  auto message = whole(gradients, all[number]);
  if (is_cuda()) {
    auto to = own(message);
    return backend->_reduce_scatter_base(to, message);
  }
  // gloo sums the whole message in any case.
  std::vector<at::Tensor> messages{message};
  return backend->allreduce(messages);
}

// As bytes: all types are sent alike.
std::vector<Work> Flat::send(const at::Tensor &piece, size_t first, size_t last) {
  std::vector<at::Tensor> to, from;
  for (size_t i = first; i < last; i++) {
    to.push_back(whole(piece, all[i]).view(at::kByte));
    from.push_back(own(to.back()));
  }
  if (is_cuda()) return {backend->allgather_into_tensor_coalesced(to, from)};
  std::vector<Work> works;
  for (size_t i = 0; i < to.size(); i++) {
    from[i] = from[i].clone();
    works.push_back(backend->_allgather_base(to[i], from[i]));
  }
  return works;
}

void Flat::gather() {
  if (!is_shared()) return;
  c10::NoGradGuard none;
  for (auto &piece : {weights, averages, squares})
    for (auto &work : send(piece, 0, all.size())) work->wait();
}

// MARK: The norm

// Lanes keep one order of additions, and let the compiler use vectors.
static float sum_of_squares(const float *values) {
  constexpr int lanes = 16;
  float sums[lanes] = {};
  for (int64_t i = 0; i < Flat::block; i += lanes)
    for (int lane = 0; lane < lanes; lane++) sums[lane] += values[i + lane] * values[i + lane];
  double total = 0;
  for (float sum : sums) total += sum;
  return static_cast<float>(total);
}

static at::Tensor root_of_sum(const at::Tensor &squares) {
  const auto *values = squares.data_ptr<float>();
  double total = 0;
  for (int64_t i = 0; i < squares.numel(); i++) total += values[i];
  return at::full({}, std::sqrt(total), squares.options());
}

#ifdef PIPELINE_CUDA
static cudaStream_t stream_of(const at::Tensor &tensor) { return c10::cuda::getCurrentCUDAStream(tensor.device().index()); }

// Calls `work` with as many parts at once as a kernel takes.
template <class Parts, class Work>
static void in_kernels(const Parts &parts, Work &&work) {
  for (size_t first = 0; first < parts.size(); first += BlockParts::limit) {
    BlockParts some;
    for (size_t i = first; i < std::min(parts.size(), first + BlockParts::limit); i++) {
      some.start[some.count] = parts[i].start;
      some.name[some.count] = parts[i].first_block;
      some.before[some.count++] = some.blocks;
      some.blocks += parts[i].blocks;
    }
    work(some);
  }
}
#endif

at::Tensor Flat::norm() {
  c10::NoGradGuard none;
  auto by_block = at::zeros({blocks}, gradients.options());
  auto *to = by_block.data_ptr<float>();
  const auto *values = gradients.data_ptr<float>();
#ifdef PIPELINE_CUDA
  if (is_cuda()) in_kernels(parts(0, all.size()), [&](auto &some) { block_squares(some, values, to, stream_of(gradients)); });
#endif
  if (!is_cuda())
    for (auto part : parts(0, all.size()))
      at::parallel_for(0, part.blocks, 16, [&](int64_t first, int64_t last) {
        for (auto i = first; i < last; i++) to[part.first_block + i] = sum_of_squares(values + part.start + i * block);
      });
  // Each number comes from one process; the others have 0.
  if (is_shared()) {
    std::vector<at::Tensor> messages{by_block};
    backend->allreduce(messages)->wait();
  }
#ifdef PIPELINE_CUDA
  if (is_cuda()) {
    auto norm = at::empty({}, by_block.options());
    root_of_sum(to, blocks, norm.data_ptr<float>(), stream_of(norm));
    return norm;
  }
#endif
  return root_of_sum(by_block);
}

// MARK: The step

void Flat::step(const Step &step) {
  c10::NoGradGuard none;
  // In a few groups of buckets: one is on its way to the others while the next one is computed.
  constexpr int64_t groups = 4;
  std::vector<Work> works;
  for (size_t first = 0; first < all.size();) {
    size_t last = first;
    int64_t filled = 0;
    while (last < all.size() && (!is_shared() || filled < up(length, groups) / groups)) filled += all[last++].length;
    update(parts(first, last, PT_DECAYS), step);
    auto undecayed = step;
    undecayed.decay = 0;
    update(parts(first, last, PT_KEEPS_SIZE), undecayed);
    if (is_shared())
      for (auto &work : send(copies, first, last)) works.push_back(work);
    first = last;
  }
  for (auto &work : works) work->wait();
}

void Flat::update(const std::vector<Part> &parts, const Step &step) {
#ifdef PIPELINE_CUDA
  if (is_cuda()) {
    auto figure = step.figure.to(at::kDouble);
    const double correction1 = 1 - std::pow(step.beta1, step.number), correction2 = 1 - std::pow(step.beta2, step.number);
    auto number = [](double value) { return static_cast<float>(value); };
    AdamWBlocks tensors{
        weights.data_ptr<float>(), averages.data_ptr<float>(), squares.data_ptr<float>(), gradients.data_ptr<float>(),
        copies.data_ptr(), step.norm.data_ptr<float>(), step.divisor ? step.divisor->data_ptr<float>() : nullptr,
        figure.data_ptr<double>(), number(step.rate / correction1), number(1 - step.rate * step.decay), number(step.beta1),
        number(1 - step.beta1), number(step.beta2), number(1 - step.beta2), number(1 / std::sqrt(correction2)),
        number(step.epsilon), number(step.maximum)};
    in_kernels(parts, [&](auto &some) { adamw_blocks(some, tensors, stream_of(weights)); });
    return;
  }
#endif
  update_on_cpu(parts, step);
}

void Flat::update_on_cpu(const std::vector<Part> &parts, const Step &step) {
  auto factor = step.maximum > 0 ? (step.maximum / (step.norm + 1e-6)).clamp_max(1.0) : at::ones_like(step.norm);
  if (step.divisor) factor = factor / step.divisor->reshape({});
  auto number = at::full({}, static_cast<double>(step.number), weights.options());
  auto is_bad = at::isfinite(step.figure).logical_not().to(at::kFloat).reshape({});
  for (auto &part : parts) {
    auto of = [&](const at::Tensor &piece) { return piece.narrow(0, part.start, part.blocks * block); };
    auto weight = of(weights), gradient = of(gradients), average = of(averages), square = of(squares);
    gradient.mul_(factor);
    at::_fused_adamw_(
        {weight}, {gradient}, {average}, {square}, {}, {number}, step.rate, step.beta1, step.beta2, step.decay,
        step.epsilon, /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, is_bad);
    of(copies).copy_(weight);
  }
}

// MARK: The interface

static int flat_new(
    pt_group *group, pt_tensor *const *working, pt_tensor *const *masters, pt_tensor *const *sums, pt_tensor *const *first,
    pt_tensor *const *second, const uint8_t *kinds, size_t count, int64_t bucket_bytes, pt_flat **out) {
  return guarded([&] {
    Flat::Lists lists{
        list(working, count), list(masters, count), list(sums, count), list(first, count), list(second, count)};
    auto backend = group ? group->backend : c10::intrusive_ptr<c10d::Backend>();
    *out = new pt_flat{std::make_shared<Flat>(
        backend, std::move(lists), std::vector<uint8_t>(kinds, kinds + count), bucket_bytes)};
  });
}

static int flat_step(
    pt_flat *flat, int64_t number, double rate, double beta1, double beta2, double decay, double epsilon,
    const pt_tensor *norm, double maximum, const pt_tensor *divisor, const pt_tensor *figure) {
  return guarded([&] {
    flat->value->step({
        number, rate, beta1, beta2, decay, epsilon, maximum, norm->value, figure->value, maybe(divisor)});
    trace_after(number, norm->value.is_cuda());
  });
}

void add_flat_functions(pt_engine &engine) {
  engine.flat_new = flat_new;
  engine.flat_norm = [](pt_flat *flat, pt_tensor **out) { return giving(out, [&] { return flat->value->norm(); }); };
  engine.flat_step = flat_step;
  engine.flat_gather = [](pt_flat *flat) { return guarded([&] { flat->value->gather(); }); };
  engine.flat_free = [](pt_flat *flat) { delete flat; };
}

}  // namespace pipeline

// A bf16 model's weights, gradients and moments for AdamW: each kind lies in one piece of memory.
//
// Parameters lie there backwards, in buckets of whole parameters; each begins at a multiple of `block`. Processes that
// share the work have the same part of every bucket each: a rank sums the gradients of its part, updates its weights, and
// sends them to the others. The norm is summed block by block, whatever the buckets and processes: the same bits.
#pragma once
#include <torch/csrc/distributed/c10d/Work.hpp>

#include <vector>

#include "group.h"

namespace pipeline {

using Work = c10::intrusive_ptr<c10d::Work>;

// Parameters, the last one first, in buckets of about as many bytes of fp32.
std::vector<std::vector<size_t>> buckets_of(const std::vector<at::Tensor> &parameters, int64_t bytes);

class Flat {
 public:
  struct Lists {
    std::vector<at::Tensor> working, masters, sums, first, second;
  };
  struct Bucket {
    std::vector<size_t> members;
    // In numbers; the length is the same for each process, and a multiple of `block`.
    int64_t start = 0, length = 0;
    // Those with parameters, and where they stand among all of them.
    int64_t blocks = 0, first_block = 0;
  };
  // For one step of AdamW.
  struct Step {
    int64_t number;
    double rate, beta1, beta2, decay, epsilon, maximum;
    at::Tensor norm, figure;
    std::optional<at::Tensor> divisor;
  };

  static constexpr int64_t block = 4096;

  // From here on the tensors of the lists are parts of the pieces. Without a group, this process has all of every part.
  // `kinds`: a pt_kind for each parameter.
  Flat(c10::intrusive_ptr<c10d::Backend> backend, Lists lists, std::vector<uint8_t> kinds, int64_t bucket_bytes);

  const std::vector<Bucket> &buckets() const { return all; }
  const std::vector<at::Tensor> &sums() const { return lists.sums; }

  // Sums a bucket's gradients over the processes.
  Work reduce(size_t bucket);
  // The gradients' norm, one number on the device.
  at::Tensor norm();
  // The gradients are clipped on the way, and not changed where the kernel of a GPU does it.
  void step(const Step &step);
  // Brings the other processes' parts of master weights and moments.
  void gather();

 private:
  // A part of the pieces in whole blocks, of this process.
  struct Part {
    int64_t start, blocks, first_block;
  };

  bool is_shared() const { return processes > 1; }
  bool is_cuda() const { return weights.is_cuda(); }
  void lay(std::vector<at::Tensor> &tensors, at::Tensor &piece);
  at::Tensor whole(const at::Tensor &piece, const Bucket &bucket) const;
  at::Tensor own(const at::Tensor &bucket) const;
  std::vector<Part> parts(size_t first, size_t last) const;
  // Those of one kind of parameters.
  std::vector<Part> parts(size_t first, size_t last, uint8_t kind) const;
  void update(const std::vector<Part> &parts, const Step &step);
  void update_on_cpu(const std::vector<Part> &parts, const Step &step);
  std::vector<Work> send(const at::Tensor &piece, size_t first, size_t last);

  c10::intrusive_ptr<c10d::Backend> backend;
  Lists lists;
  // By block.
  std::vector<uint8_t> kinds;
  int64_t processes = 1, rank = 0, length = 0, blocks = 0;
  std::vector<Bucket> all;
  at::Tensor weights, gradients, averages, squares, copies;
};

}  // namespace pipeline

struct pt_flat {
  std::shared_ptr<pipeline::Flat> value;
};

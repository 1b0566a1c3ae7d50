// Creating, moving, shaping and combining tensors.
#include <cstring>
#include <stdexcept>

#include "boundary.h"
#include "operations.h"

namespace pipeline {

static int from_host(const void *bytes, int32_t dtype, const int64_t *sizes, size_t rank, pt_device device, pt_tensor **out) {
  return giving(out, [&] {
    auto options = at::TensorOptions(scalar_type(dtype));
    // With pinned memory the copy runs in parallel with the device's work; torch keeps it until the copy is done.
    auto host = at::empty(shape(sizes, rank), options.pinned_memory(device.index >= 0));
    std::memcpy(host.data_ptr(), bytes, host.nbytes());
    return device.index < 0 ? host : host.to(place(device), /*non_blocking=*/true);
  });
}

static int to_host(const pt_tensor *tensor, void *bytes, size_t capacity) {
  return guarded([&] {
    auto host = tensor->value.detach().to(at::kCPU).contiguous();
    if (host.nbytes() > capacity) throw std::length_error("the buffer is too small for the tensor");
    std::memcpy(bytes, host.data_ptr(), host.nbytes());
  });
}

static int write_host(pt_tensor *tensor, const void *bytes, size_t count) {
  return guarded([&] {
    c10::NoGradGuard none;
    if (tensor->value.nbytes() != count) throw std::length_error("the bytes do not match the size of the tensor");
    auto host = at::from_blob(const_cast<void *>(bytes), tensor->value.sizes(), tensor->value.options().device(at::kCPU));
    tensor->value.copy_(host);
  });
}

static int full(double value, int32_t dtype, const int64_t *sizes, size_t rank, pt_device device, pt_tensor **out) {
  return giving(out, [&] { return at::full(shape(sizes, rank), value, at::TensorOptions(scalar_type(dtype)).device(place(device))); });
}

static int normal(double mean, double deviation, int32_t dtype, const int64_t *sizes, size_t rank, pt_device device, pt_tensor **out) {
  return giving(out, [&] {
    // Drawn on the CPU, so that a seed gives the same numbers on every device.
    return at::empty(shape(sizes, rank), at::kFloat).normal_(mean, deviation).to(place(device), scalar_type(dtype));
  });
}

static int to(const pt_tensor *tensor, int32_t dtype, pt_device device, pt_tensor **out) {
  return giving(out, [&] { return tensor->value.to(place(device), scalar_type(dtype)); });
}

static int item(const pt_tensor *tensor, double *out) {
  return guarded([&] { *out = tensor->value.item().toDouble(); });
}

static int unary(const pt_tensor *x, int32_t function, pt_tensor **out) {
  return giving(out, [&]() -> at::Tensor {
    switch (function) {
      case PT_TANH: return pipeline::tanh(x->value);
      case PT_GELU: return pipeline::gelu(x->value);
      default: throw std::invalid_argument("an unknown function");
    }
  });
}

static int sum(const pt_tensor *x, int32_t dimension, bool keep, pt_tensor **out) {
  return giving(out, [&] { return dimension < -x->value.dim() ? x->value.sum() : x->value.sum(dimension, keep); });
}

static int mean(const pt_tensor *x, int32_t dimension, bool keep, pt_tensor **out) {
  return giving(out, [&] { return dimension < -x->value.dim() ? x->value.mean() : x->value.mean(dimension, keep); });
}

static int norm(const pt_tensor *x, int32_t dimension, bool keep, pt_tensor **out) {
  return giving(out, [&] { return dimension < -x->value.dim() ? x->value.norm() : x->value.norm(2, {dimension}, keep); });
}

static int scatter_rows(const pt_tensor *x, const pt_tensor *rows, int64_t total, pt_tensor **out) {
  return giving(out, [&] {
    auto sizes = x->value.sizes().vec();
    sizes[0] = total;
    return at::zeros(sizes, x->value.options()).index_copy(0, rows->value, x->value);
  });
}

void add_tensor_functions(pt_engine &engine) {
  engine.free = [](pt_tensor *tensor) { delete tensor; };
  engine.alias = [](const pt_tensor *x, pt_tensor **out) { return giving(out, [&] { return x->value; }); };
  engine.rank = [](const pt_tensor *x) { return static_cast<int32_t>(x->value.dim()); };
  engine.size = [](const pt_tensor *x, int32_t dimension) { return x->value.size(dimension); };
  engine.dtype = [](const pt_tensor *x) { return dtype_of(x->value.scalar_type()); };
  engine.from_host = from_host;
  engine.to_host = to_host;
  engine.write_host = write_host;
  engine.full = full;
  engine.normal = normal;
  engine.to = to;
  engine.item = item;

  engine.reshape = [](const pt_tensor *x, const int64_t *sizes, size_t rank, pt_tensor **out) {
    return giving(out, [&] { return x->value.reshape(shape(sizes, rank)); });
  };
  engine.narrow = [](const pt_tensor *x, int32_t dimension, int64_t start, int64_t length, pt_tensor **out) {
    return giving(out, [&] { return x->value.narrow(dimension, start, length); });
  };
  engine.expand = [](const pt_tensor *x, const int64_t *sizes, size_t rank, pt_tensor **out) {
    return giving(out, [&] { return x->value.expand(shape(sizes, rank)); });
  };
  engine.select_rows = [](const pt_tensor *x, const pt_tensor *rows, pt_tensor **out) {
    return giving(out, [&] { return x->value.index_select(0, rows->value); });
  };
  engine.scatter_rows = scatter_rows;

  engine.add = [](const pt_tensor *a, const pt_tensor *b, double scale, pt_tensor **out) {
    return giving(out, [&] { return at::add(a->value, b->value, scale); });
  };
  engine.multiply = [](const pt_tensor *a, const pt_tensor *b, pt_tensor **out) {
    return giving(out, [&] { return a->value * b->value; });
  };
  engine.divide = [](const pt_tensor *a, const pt_tensor *b, pt_tensor **out) {
    return giving(out, [&] { return a->value / b->value; });
  };
  engine.affine = [](const pt_tensor *x, double scale, double shift, pt_tensor **out) {
    return giving(out, [&] { return shift == 0 ? x->value * scale : x->value * scale + shift; });
  };
  engine.unary = unary;
  engine.sum = sum;
  engine.mean = mean;
  engine.norm = norm;
  engine.argmax = [](const pt_tensor *x, int32_t dimension, pt_tensor **out) {
    return giving(out, [&] { return x->value.argmax(dimension); });
  };
}

}  // namespace pipeline

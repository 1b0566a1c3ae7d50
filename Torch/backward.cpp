// Backward passes, and blocks whose activations are recomputed instead of kept.
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>
#include <stdexcept>

#include "boundary.h"

namespace pipeline {

using torch::autograd::variable_list;

static at::Generator generator_of(const at::Tensor &tensor) { return at::globalContext().defaultGenerator(tensor.device()); }

// A block of the program that runs again in the backward pass with the same random numbers.
struct Block : torch::CustomClassHolder {
  pt_block work;
  void *context;
  void (*release)(void *);

  Block(pt_block work, void *context, void (*release)(void *)) : work(work), context(context), release(release) {}
  ~Block() override {
    if (release) release(context);
  }

  at::Tensor operator()(const std::vector<at::Tensor> &inputs) const {
    std::vector<pt_tensor> handles;
    handles.reserve(inputs.size());
    std::vector<pt_tensor *> pointers;
    for (auto &input : inputs) {
      handles.push_back(pt_tensor{input, {}});
      pointers.push_back(&handles.back());
    }
    pt_tensor *out = nullptr;
    if (work(context, pointers.data(), pointers.size(), &out) != 0 || !out)
      throw std::runtime_error(problem().empty() ? "a checkpointed block failed" : problem());
    at::Tensor value = std::move(out->value);
    delete out;
    return value;
  }
};

struct Checkpointed : torch::autograd::Function<Checkpointed> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, c10::intrusive_ptr<Block> block, at::TensorList given) {
    variable_list inputs = given.vec();
    context->saved_data["block"] = c10::IValue::make_capsule(block);
    context->saved_data["random"] = generator_of(inputs[0]).get_state();
    context->save_for_backward(inputs);
    return (*block)(inputs);  // custom functions run without gradients
  }

  static variable_list backward(torch::autograd::AutogradContext *context, variable_list outside) {
    auto block = c10::static_intrusive_pointer_cast<Block>(context->saved_data["block"].toCapsule());
    variable_list inputs;
    for (auto &saved : context->get_saved_variables()) inputs.push_back(saved.detach().requires_grad_(saved.requires_grad()));
    auto generator = generator_of(inputs[0]);
    auto now = generator.get_state();
    generator.set_state(context->saved_data["random"].toTensor());
    at::Tensor out;
    {
      c10::AutoGradMode enabled(true);
      out = (*block)(inputs);
    }
    generator.set_state(now);
    torch::autograd::backward({out}, {outside[0]});
    variable_list gradients{at::Tensor()};  // of the block itself
    for (auto &input : inputs) gradients.push_back(input.grad());
    return gradients;
  }
};

static int gradient(const pt_tensor *x, pt_tensor **out) {
  return guarded([&] { *out = x->value.grad().defined() ? new pt_tensor{x->value.grad(), {}} : nullptr; });
}

static int checkpoint(
    pt_block work, void *context, void (*release)(void *), pt_tensor *const *inputs, size_t count, pt_tensor **out) {
  auto block = c10::make_intrusive<Block>(work, context, release);
  return giving(out, [&] {
    if (count == 0) throw std::invalid_argument("a checkpointed block needs an input");
    auto tensors = list(inputs, count);
    return Checkpointed::apply(block, at::TensorList(tensors));  // as a TensorList, which autograd searches for inputs
  });
}

void add_gradient_functions(pt_engine &engine) {
  engine.set_gradient = [](bool enabled) {
    return guarded([&] { c10::GradMode::set_enabled(enabled); });
  };
  engine.require_gradient = [](pt_tensor *x, bool required) {
    return guarded([&] { x->value.requires_grad_(required); });
  };
  engine.gradient = gradient;
  engine.clear_gradient = [](pt_tensor *x) {
    return guarded([&] { x->value.mutable_grad() = at::Tensor(); });
  };
  engine.backward = [](const pt_tensor *loss) {
    return guarded([&] { torch::autograd::backward({loss->value}, {}); });
  };
  engine.detach = [](const pt_tensor *x, pt_tensor **out) { return giving(out, [&] { return x->value.detach(); }); };
  engine.checkpoint = checkpoint;
}

}  // namespace pipeline

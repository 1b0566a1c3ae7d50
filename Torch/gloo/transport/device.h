#pragma once
namespace gloo::transport {
class Device;
// A complete type, because torch's header has a unique_ptr to it.
class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = default;
};
}  // namespace gloo::transport

#pragma once
namespace gloo::transport {
class Device;
// Complete, because torch's header holds it by unique_ptr.
class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = default;
};
}  // namespace gloo::transport

#pragma once
#include <chrono>
namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds);  // named by an inline function of torch's header that is not called here
};
}  // namespace gloo

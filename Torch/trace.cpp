// A trace of some steps of a training, as chrome://tracing and Perfetto read it: what the device does, and when.
#include <torch/csrc/autograd/profiler_kineto.h>

#ifdef PIPELINE_CUDA
#include <c10/cuda/CUDAFunctions.h>
#endif

#include <charconv>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <string>

#include "trace.h"

namespace pipeline {

using torch::profiler::impl::ActivityType;

// What PIPELINE_TRACE names: FILE:FIRST-LAST. Each process writes FILE-RANK.json.
struct Traced {
  std::string file;
  int64_t first = 0, last = -1;
};

static int64_t number(const std::string &text) {
  int64_t value = 0;
  auto end = text.data() + text.size();
  auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end || value < 1) throw std::invalid_argument("PIPELINE_TRACE is not FILE:FIRST-LAST");
  return value;
}

static Traced read_traced() {
  auto text = std::getenv("PIPELINE_TRACE");
  if (!text || !*text) return {};
  std::string all = text;
  auto colon = all.rfind(':'), dash = all.rfind('-');
  if (colon == std::string::npos || dash == std::string::npos || dash < colon)
    throw std::invalid_argument("PIPELINE_TRACE is not FILE:FIRST-LAST");
  auto rank = std::getenv("RANK");
  return {
      all.substr(0, colon) + "-" + (rank ? rank : "0") + ".json", number(all.substr(colon + 1, dash - colon - 1)),
      number(all.substr(dash + 1))};
}

// Work that was started before belongs to no step of the trace.
static void wait([[maybe_unused]] bool cuda) {
#ifdef PIPELINE_CUDA
  if (cuda) c10::cuda::device_synchronize();
#endif
}

void trace_after(int64_t step, bool cuda) {
  static const Traced traced = read_traced();
  static bool is_running = false;
  if (traced.last < traced.first) return;
  if (is_running && step >= traced.last) {
    wait(cuda);
    is_running = false;
    torch::autograd::profiler::disableProfiler()->save(traced.file);
  } else if (!is_running && step + 1 == traced.first) {
    wait(cuda);
    torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
    // On a GPU its own activities alone: to record every operation of the host slows it down.
    std::set<ActivityType> activities{cuda ? ActivityType::CUDA : ActivityType::CPU};
    torch::autograd::profiler::prepareProfiler(config, activities);
    torch::autograd::profiler::enableProfiler(config, activities);
    is_running = true;
  }
}

}  // namespace pipeline

// Traces of steps.
#pragma once
#include <cstdint>

namespace pipeline {

// Call at the end of each step. Begins or ends the trace that PIPELINE_TRACE asks for, FILE:FIRST-LAST by step.
void trace_after(int64_t step, bool cuda);

}  // namespace pipeline

// What the engine did for a request, step by step and operation by operation: what a benchmark
// divides by. Times are seconds of the system's monotonic clock.
#pragma once

#include <cstdint>
#include <vector>

namespace gptoss {

// One call of an operation, with the least it must move and multiply, however it is done.
struct OpCall {
  const char* name = "";  // of the operation table; static
  double begin = 0;
  double end = 0;
  uint64_t bytes = 0;  // weights, KV and activations
  uint64_t macs = 0;   // multiply-adds
};

struct StepReport {
  double begin = 0;
  double end = 0;
  int64_t n_tokens = 0;       // of this request that the step computed
  std::vector<OpCall> calls;  // in order, if asked for; of the whole step, other requests included
};

}  // namespace gptoss

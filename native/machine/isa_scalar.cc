// Plain loops, which the compiler may vectorise for the baseline of the architecture.
#include "machine/peak.h"

namespace gptoss::machine {
namespace {

constexpr int kLanes = 32;  // independent sums: enough to hide the latency of one

float float32_loop(uint64_t n_rounds) {
  float sums[kLanes] = {};
  volatile float opaque = 0.5f;
  const float factor = opaque, addend = opaque;
  for (uint64_t round = 0; round < n_rounds; ++round)
    for (float& sum : sums) sum = sum * factor + addend;
  float total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

constexpr int kBytes = 1024;  // per operand, within the first-level cache

float int8_loop(uint64_t n_rounds) {
  int8_t a[kBytes], b[kBytes];
  volatile int8_t opaque = 3;
  for (int i = 0; i < kBytes; ++i) {
    a[i] = static_cast<int8_t>(opaque + i % 7);
    b[i] = static_cast<int8_t>(opaque - i % 5);
  }
  int64_t total = 0;
  for (uint64_t round = 0; round < n_rounds; ++round) {
    a[round % kBytes] = opaque;
    int32_t sum = 0;
    for (int i = 0; i < kBytes; ++i) sum += a[i] * b[i];
    total += sum;
  }
  return static_cast<float>(total);
}

}  // namespace

const PeakLoop kScalarPeakLoops[2] = {{"scalar", "float32", kLanes, float32_loop},
                                      {"scalar", "int8", kBytes, int8_loop}};

}  // namespace gptoss::machine

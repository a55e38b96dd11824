// Plain loops, which the compiler may vectorise for the baseline of the architecture.
#include "machine/peak.h"

namespace gptoss::machine {
namespace {

constexpr int kSums = 32;     // independent: enough to hide the latency of one
constexpr int kBytes = 1024;  // per operand, within the first-level cache

void float32_loop(uint64_t n_rounds) {
  float sums[kSums] = {};
  volatile float opaque = 0.5f;
  const float factor = opaque, addend = opaque;
  for (uint64_t round = 0; round < n_rounds; ++round)
    for (float& sum : sums) sum = sum * factor + addend;
  for (const float sum : sums) opaque = sum;
}

void int8_loop(uint64_t n_rounds) {
  int8_t a[kBytes], b[kBytes];
  volatile int opaque = 3;
  for (int i = 0; i < kBytes; ++i) {
    a[i] = static_cast<int8_t>(opaque + i % 7);
    b[i] = static_cast<int8_t>(opaque - i % 5);
  }
  for (uint64_t round = 0; round < n_rounds; ++round) {
    a[round % kBytes] = static_cast<int8_t>(opaque);
    int32_t sum = 0;
    for (int i = 0; i < kBytes; ++i) sum += a[i] * b[i];
    opaque = sum;
  }
}

}  // namespace

std::vector<PeakLoop> supported_peak_loops() {
  std::vector<PeakLoop> loops = {{"scalar", "float32", kSums, float32_loop},
                                 {"scalar", "int8", kBytes, int8_loop}};
  const std::vector<PeakLoop> more = vector_peak_loops();
  loops.insert(loops.end(), more.begin(), more.end());
  return loops;
}

}  // namespace gptoss::machine

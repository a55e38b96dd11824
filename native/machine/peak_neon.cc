// In assembly, as for x86. A round is sixteen independent sums, enough for four units with a
// latency of four cycles.
#include "base/cpu_features.h"
#include "machine/peak.h"

namespace gptoss::machine {
namespace {

#define GPTOSS_VECTOR_REGISTERS                                                                   \
  "v0", "v1", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", \
      "v28", "v29", "v30", "v31"
#define GPTOSS_SUMS "16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"
// A function that repeats `instruction` for each \sum of the sixteen.
#define GPTOSS_PEAK_LOOP(name, instruction)                                                       \
  [[gnu::target("arch=armv8.2-a+dotprod")]] void name(uint64_t n_rounds) {                        \
    asm volatile(                                                                                 \
        "movi v0.4s, #0\n"                                                                        \
        "movi v1.4s, #0\n"                                                                        \
        ".irp sum," GPTOSS_SUMS "\nmovi v\\sum\\().4s, #0\n.endr" ::                              \
            : GPTOSS_VECTOR_REGISTERS);                                                           \
    for (uint64_t round = 0; round < n_rounds; ++round)                                           \
      asm volatile(".irp sum," GPTOSS_SUMS "\n" instruction ".endr" ::: GPTOSS_VECTOR_REGISTERS); \
  }

GPTOSS_PEAK_LOOP(neon_float32, "fmla v\\sum\\().4s, v0.4s, v1.4s\n")
GPTOSS_PEAK_LOOP(neon_int8, "sdot v\\sum\\().4s, v0.16b, v1.16b\n")

constexpr uint64_t kSums = 16;

}  // namespace

std::vector<PeakLoop> vector_peak_loops() {
  if (!cpu_features::neon_dotprod()) return {};
  return {{"neon", "float32", kSums * 4, neon_float32}, {"neon", "int8", kSums * 16, neon_int8}};
}

}  // namespace gptoss::machine

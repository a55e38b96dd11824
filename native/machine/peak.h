// Loops that do nothing but multiply and add.
#pragma once

#include <cstdint>
#include <vector>

namespace gptoss::machine {

struct PeakLoop {
  const char* isa;
  const char* arithmetic;  // "float32"; products of "int8" or "bf16", summed in 32 bits
  uint64_t macs_per_round;
  void (*run)(uint64_t n_rounds);
};

// Of vector instructions that are no part of the architecture's baseline: those that this machine
// has, plainest first.
std::vector<PeakLoop> vector_peak_loops();
// All that this machine can run, plainest instruction set first.
std::vector<PeakLoop> supported_peak_loops();

}  // namespace gptoss::machine

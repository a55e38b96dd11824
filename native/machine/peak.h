// Loops that do nothing but multiply and add.
#pragma once

#include <cstdint>
#include <vector>

namespace gptoss::machine {

struct PeakLoop {
  const char* isa;
  const char* arithmetic;  // "float32"; "int8": products of bytes, summed in 32 bits
  uint64_t macs_per_round;
  // Keeps the units busy; the result exists to be used, so that nothing is optimised away.
  float (*run)(uint64_t n_rounds);
};

// Those that this machine can run, of the plainest instruction set first.
std::vector<PeakLoop> supported_peak_loops();

// One file per instruction set, compiled for it.
extern const PeakLoop kScalarPeakLoops[2], kAvx2PeakLoops[2], kAvxVnniPeakLoops[1],
    kAvx512PeakLoops[2];

}  // namespace gptoss::machine

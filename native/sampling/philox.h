// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a random
// number is a pure function of key and counter, so a token's draw depends on nothing but its seed,
// completion and position.
#pragma once

#include <array>
#include <cstdint>

namespace gptoss::sampling {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                   std::array<uint32_t, 2> key) noexcept;

// Uniform in [0, 1) with 53 bits, for the token at `position` of completion `completion_index`.
double uniform(uint64_t seed, uint32_t completion_index, uint64_t position) noexcept;

}  // namespace gptoss::sampling

// The reference's one sum: eight interleaved partial sums, each over ascending k, added pairwise.
#pragma once

#include <cstdint>

namespace gptoss::kernels::reference {

// Sum of a[k] * b[k]. n is a multiple of 8. The order of additions is fixed, so equal inputs give
// equal bits.
inline float dot(const float* a, const float* b, int64_t n) noexcept {
  float lane[8] = {};
  for (int64_t k = 0; k < n; k += 8)
    for (int i = 0; i < 8; ++i) lane[i] += a[k + i] * b[k + i];
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

}  // namespace gptoss::kernels::reference

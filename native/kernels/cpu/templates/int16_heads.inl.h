// The 64 numbers of a head to 16-bit integers, for attention. Included by the ISA spines only.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/templates/vector_math.inl.h"

namespace {

using gptoss::kHeadDim;
using gptoss::kernels::cpu::kHeadNorm;
using gptoss::kernels::cpu::kLargestInt16;
using gptoss::kernels::cpu::kLargestValue;

// The largest size in x: (64), at least `least`. NaN if an x is NaN or infinite.
inline float largest_of(const float* x, float least) {
  Floats highest = broadcast(least), broken = broadcast(0.0f);
  for (int d = 0; d < kHeadDim; d += kLanes) {
    highest = max(highest, magnitude(load(x + d)));
    broken = add(broken, mul(load(x + d), broadcast(0.0f)));
  }
  return highest_lane(highest) + sum_lanes(broken);
}

inline void to_int16(const float* x, float inverse_scale, float largest, int16_t* out) {
  for (int d = 0; d < kHeadDim; d += kLanes)
    store_low_halves(out + d,
                     to_int(clamp(mul(load(x + d), broadcast(inverse_scale)), -largest, largest)));
}

float quantize_head(const float* x, int16_t* out) {
  const float largest = largest_of(x, 1e-30f);  // its inverse must be finite
  Floats squares = broadcast(0.0f);
  for (int d = 0; d < kHeadDim; d += kLanes) {
    const Floats share = mul(load(x + d), broadcast(1 / largest));
    squares = fma(share, share, squares);
  }
  const float by_norm = largest * __builtin_sqrtf(sum_lanes(squares)) * (1 / kHeadNorm);
  const float by_size = largest * (1 / kLargestInt16);
  const float scale = by_norm > by_size ? by_norm : by_size;
  to_int16(x, 1 / scale, kLargestInt16, out);
  return scale;
}

// Beyond the range of exponents values are rounded to nothing, or saturate.
float quantize_value(const float* x, int16_t* out) {
  constexpr int kLeast = -40, kMost = 20;
  const float scale = largest_of(x, 1e-30f) * (1 / kLargestValue);
  uint32_t bits;
  __builtin_memcpy(&bits, &scale, sizeof bits);
  const int above = static_cast<int>((bits + 0x7FFFFF) >> 23) - 127;  // 2^above >= scale
  const int exponent = above < kLeast ? kLeast : above > kMost ? kMost : above;
  to_int16(x, __builtin_ldexpf(1.0f, -exponent), kLargestValue, out);
  return static_cast<float>(exponent) + (scale - scale);
}

}  // namespace

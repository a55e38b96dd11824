// Norm, quantisation, activation function, exponential. Included by the ISA spines only, after a
// vector header.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace {

using gptoss::kBlock;
using gptoss::kernels::cpu::kPanelRows;
using gptoss::kernels::cpu::kProductWidth;
using gptoss::kernels::cpu::QuantTile;

// The lanes added pairwise: one order for all instruction sets.
inline float sum_lanes(Floats x) {
  float lane[kLanes];
  store(lane, x);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  return lane[0];
}

inline float highest_lane(Floats x) {
  float lane[kLanes];
  store(lane, x);
  float highest = lane[0];
  for (int i = 1; i < kLanes; ++i) highest = lane[i] > highest ? lane[i] : highest;
  return highest;
}

// Keeps NaN, as it stands second.
inline Floats clamp(Floats x, float low, float high) {
  return max(broadcast(low), min(broadcast(high), x));
}

// e^x to about 2 units in the last place, after Cephes' expf; x below -87.3 counts as -87.3, above
// 88 as 88.
inline Floats exponential(Floats x) {
  x = clamp(x, -87.3f, 88.0f);
  const Ints n = to_int(mul(x, broadcast(1.44269504088896341f)));
  const Floats whole = to_float(n);
  Floats r = fma(whole, broadcast(-0.693359375f), x);  // ln 2 in two parts
  r = fma(whole, broadcast(2.12194440e-4f), r);
  Floats p = broadcast(1.9875691500e-4f);
  p = fma(p, r, broadcast(1.3981999507e-3f));
  p = fma(p, r, broadcast(8.3334519073e-3f));
  p = fma(p, r, broadcast(4.1665795894e-2f));
  p = fma(p, r, broadcast(1.6666665459e-1f));
  p = fma(p, r, broadcast(5.0000001201e-1f));
  p = fma(mul(r, r), p, add(r, broadcast(1.0f)));
  return mul(p, power_of_two(n));
}

// 2^x to about 2 units in the last place, exact for 0; for x <= 0, of which what is below -126
// counts as -126. The polynomial is fitted to the least relative error, 9e-8.
inline Floats power_of_two(Floats x) {
  x = max(broadcast(-126.0f), x);
  const Ints n = to_int(x);
  const Floats r = sub(x, to_float(n));
  Floats p = broadcast(1.326472731307149e-3f);
  p = fma(p, r, broadcast(9.671512991189957e-3f));
  p = fma(p, r, broadcast(5.550733581185341e-2f));
  p = fma(p, r, broadcast(2.4022242426872253e-1f));
  p = fma(p, r, broadcast(6.931470036506653e-1f));
  p = fma(p, r, broadcast(1.0f));
  return mul(p, power_of_two(n));
}

void rms_norm(const float* x, const float* weight, float* y, int64_t n, float epsilon) {
  Floats squares = broadcast(0.0f);
  for (int64_t i = 0; i < n; i += kLanes) squares = fma(load(x + i), load(x + i), squares);
  const float mean = sum_lanes(squares) / static_cast<float>(n);
  const Floats scale = broadcast(1.0f / __builtin_sqrtf(mean + epsilon));
  for (int64_t i = 0; i < n; i += kLanes)
    store(y + i, mul(mul(load(x + i), scale), load(weight + i)));
}

void quantize_int8(const float* x, int64_t n_blocks, std::byte* to, int row) {
  constexpr float kLeast = 1e-30f;  // below this a block is zero: its inverse scale might overflow
  auto* tile = reinterpret_cast<QuantTile*>(to);
  for (int64_t b = 0; b < n_blocks; ++b, x += kBlock, ++tile) {
    const Floats first = load(x), second = load(x + kLanes);
    const float highest = highest_lane(max(magnitude(first), magnitude(second)));
    // Zero, or NaN if any of them is NaN or infinite.
    const Floats zero = broadcast(0.0f);
    const float broken = sum_lanes(add(mul(first, zero), mul(second, zero)));
    const bool is_zero = !(highest >= kLeast);
    const Floats inverse = broadcast(is_zero ? 0.0f : 127.0f / highest);
    int8_t* const q = tile->q[row];
    store_low_bytes(q, to_int(mul(first, inverse)));
    store_low_bytes(q + kLanes, to_int(mul(second, inverse)));
    int32_t sum = 0;
    for (int i = 0; i < kBlock; ++i) sum += q[i];
    tile->scale[row] = (is_zero ? 0.0f : highest / 127.0f) + broken;
    tile->correction[row] = -kCodeOffset * sum;
  }
}

inline void put(uint16_t& out, uint32_t bf16) { out = static_cast<uint16_t>(bf16); }
inline void put(float& out, uint32_t bf16) {
  const uint32_t bits = bf16 << 16;
  __builtin_memcpy(&out, &bits, sizeof out);
}
// To nearest, ties to even; 0 for what is so small that products would be: see kLeastBf16Weight.
template <class Tile>
void round_to_bf16(const float* x, int64_t n_blocks, std::byte* to, int row) {
  constexpr float kLeast = 0x1p-60f;
  auto* tile = reinterpret_cast<Tile*>(to);
  for (int64_t b = 0; b < n_blocks; ++b, x += kBlock, ++tile)
    for (int i = 0; i < kBlock; ++i) {
      uint32_t bits;
      __builtin_memcpy(&bits, &x[i], sizeof bits);
      const float size = __builtin_fabsf(x[i]);
      const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
      put(tile->x[row][i], size < kLeast ? 0 : size != size ? 0x7FC0 : rounded);
    }
}

void swiglu(float* sums, int n_rows, const float* gate_bias, const float* up_bias) {
  const float limit = gptoss::kSwigluLimit;
  const Floats one = broadcast(1.0f), to_gate = load(gate_bias), to_up = load(up_bias);
  for (int r = 0; r < n_rows; ++r, sums += kProductWidth) {
    const Floats gate = min(broadcast(limit), add(load(sums), to_gate));
    const Floats up = clamp(add(load(sums + kPanelRows), to_up), -limit, limit);
    const Floats e = exponential(mul(gate, broadcast(-gptoss::kSwigluAlpha)));
    store(sums, mul(add(up, one), div(gate, add(one, e))));
  }
}

}  // namespace

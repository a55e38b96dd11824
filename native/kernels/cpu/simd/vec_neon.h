// NEON with the dot products of Armv8.2. See vec_scalar.h for what each function means.
#pragma once

#include <arm_neon.h>
#include <cstdint>

#include "kernels/cpu/simd/lanes_neon.h"

namespace {

struct Codes {
  int8x16_t part[4];  // of 4 rows each
};

// The product instruction takes signed weights.
constexpr int kCodeOffset = 0;
constexpr bool kInt8HasOffset = false;

constexpr int8_t kMxfp4Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

inline void load_mxfp4(const uint8_t* p, Codes& low, Codes& high) {
  const int8x16_t values = vld1q_s8(kMxfp4Doubled);
  low = each<Codes>(
      [&](int i) { return vqtbl1q_s8(values, vandq_u8(vld1q_u8(p + 16 * i), vdupq_n_u8(15))); });
  high =
      each<Codes>([&](int i) { return vqtbl1q_s8(values, vshrq_n_u8(vld1q_u8(p + 16 * i), 4)); });
}
inline Codes load_int8(const uint8_t* p) {
  return each<Codes>([&](int i) { return vreinterpretq_s8_u8(vld1q_u8(p + 16 * i)); });
}
inline Codes load_codes(const uint8_t* p) { return load_int8(p); }
inline void store_codes(uint8_t* p, Codes codes) {
  for (int i = 0; i < 4; ++i) vst1q_u8(p + 16 * i, vreinterpretq_u8_s8(codes.part[i]));
}

inline int32x4_t dot_pairs(int32x4_t sums, int16x8_t x, int16x8_t y) {
  const int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(y));
  return vaddq_s32(sums, vpaddq_s32(low, vmull_high_s16(x, y)));
}
inline Ints dot_pairs(Ints sums, Ints a, Ints b) {
  const auto pairs = [](int32x4_t x) { return vreinterpretq_s16_s32(x); };
  return each<Ints>(
      [&](int i) { return dot_pairs(sums.part[i], pairs(a.part[i]), pairs(b.part[i])); });
}
inline Ints dot_mxfp4(Ints sums, Codes first, Codes second, const int8_t* x) {
  const int8x8_t eight = vld1_s8(x);
  return each<Ints>([&](int i) {
    const int32x4_t sum = vdotq_lane_s32(sums.part[i], first.part[i], eight, 0);
    return vdotq_lane_s32(sum, second.part[i], eight, 1);
  });
}
inline Ints dot_int8(Ints sums, Codes first, Codes second, const int8_t* x) {
  return dot_mxfp4(sums, first, second, x);
}

inline Floats int8_floats(const uint8_t* p, int byte) {
  return each<Floats>([&](int i) {
    const int32x4_t fours = vreinterpretq_s32_u8(vld1q_u8(p + 16 * i));
    const int32x4_t high = vshlq_s32(fours, vdupq_n_s32(24 - 8 * byte));
    return vcvtq_f32_s32(vshrq_n_s32(high, 24));
  });
}
inline Floats mxfp4_floats(const uint8_t* p, int byte, int is_high) {
  const int8x16_t values = vld1q_s8(kMxfp4Doubled);
  return each<Floats>([&](int i) {
    const int32x4_t fours = vreinterpretq_s32_u8(vld1q_u8(p + 16 * i));
    const int32x4_t code =
        vandq_s32(vshlq_s32(fours, vdupq_n_s32(-8 * byte - 4 * is_high)), vdupq_n_s32(15));
    const int8x16_t value = vqtbl1q_s8(values, vreinterpretq_u8_s32(code));
    return vcvtq_f32_s32(vshrq_n_s32(vshlq_n_s32(vreinterpretq_s32_s8(value), 24), 24));
  });
}

// Sixteen of the 32 registers hold sums.
constexpr int kTilePanels = 1;
constexpr int kTileRows = 4;
constexpr int kScoreKeys = 4;
constexpr int kScoreVectors = 1;
constexpr int kScoreKeysAlone = 4;
constexpr int kValueRows = 1;

inline void prefetch(const void* p) { __builtin_prefetch(p); }

}  // namespace

// Sixteen lanes in four registers of NEON, with the dot products of Armv8.2. See vec_scalar.h for
// what each function means.
#pragma once

#include <arm_neon.h>
#include <cstdint>

#include "kernels/cpu/layout.h"

namespace {

constexpr int kLanes = 16;

struct Floats {
  float32x4_t part[4];
};
struct Ints {
  int32x4_t part[4];
};
struct Codes {
  int8x16_t part[4];  // of 4 rows each
};

// Not a loop: compilers would keep the parts in memory.
template <class Parts, class Function>
inline Parts each(Function function) {
  return {{function(0), function(1), function(2), function(3)}};
}

inline Floats load(const float* p) {
  return each<Floats>([&](int i) { return vld1q_f32(p + 4 * i); });
}
inline void store(float* p, Floats x) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, x.part[i]);
}
inline Floats broadcast(float x) {
  return each<Floats>([&](int) { return vdupq_n_f32(x); });
}
inline Floats load_half(const uint16_t* p) {
  return each<Floats>(
      [&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); });
}
inline void store_half(uint16_t* p, Floats x) {
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.part[i])));
}
inline Floats load_bf16(const uint16_t* p) {
  return each<Floats>([&](int i) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(p + 4 * i)), 16));
  });
}
inline float32x4_t e8m0_halved(uint16x4_t exponents) {
  const uint32x4_t e = vmovl_u16(exponents);
  const uint32x4_t normal = vshlq_n_u32(vsubq_u32(e, vdupq_n_u32(1)), 23);
  const uint32x4_t subnormal = vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(e));
  return vreinterpretq_f32_u32(vbslq_u32(vcltq_u32(e, vdupq_n_u32(2)), subnormal, normal));
}
inline Floats load_e8m0_halved(const uint8_t* p) {
  const uint8x16_t bytes = vld1q_u8(p);
  const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
  return {{e8m0_halved(vget_low_u16(low)), e8m0_halved(vget_high_u16(low)),
           e8m0_halved(vget_low_u16(high)), e8m0_halved(vget_high_u16(high))}};
}

inline Floats add(Floats a, Floats b) {
  return each<Floats>([&](int i) { return vaddq_f32(a.part[i], b.part[i]); });
}
inline Floats sub(Floats a, Floats b) {
  return each<Floats>([&](int i) { return vsubq_f32(a.part[i], b.part[i]); });
}
inline Floats mul(Floats a, Floats b) {
  return each<Floats>([&](int i) { return vmulq_f32(a.part[i], b.part[i]); });
}
inline Floats div(Floats a, Floats b) {
  return each<Floats>([&](int i) { return vdivq_f32(a.part[i], b.part[i]); });
}
inline Floats fma(Floats a, Floats b, Floats c) {
  return each<Floats>([&](int i) { return vfmaq_f32(c.part[i], a.part[i], b.part[i]); });
}
// Not vmaxq and vminq, which give a NaN where either is one.
inline Floats max(Floats a, Floats b) {
  return each<Floats>(
      [&](int i) { return vbslq_f32(vcgtq_f32(a.part[i], b.part[i]), a.part[i], b.part[i]); });
}
inline Floats min(Floats a, Floats b) {
  return each<Floats>(
      [&](int i) { return vbslq_f32(vcltq_f32(a.part[i], b.part[i]), a.part[i], b.part[i]); });
}
inline Floats magnitude(Floats a) {
  return each<Floats>([&](int i) { return vabsq_f32(a.part[i]); });
}

inline Floats drop_below(Floats a, float least) {
  return each<Floats>([&](int i) {
    const uint32x4_t is_small = vcaltq_f32(a.part[i], vdupq_n_f32(least));
    return vbslq_f32(is_small, vdupq_n_f32(0), a.part[i]);
  });
}

inline Ints load_int(const int32_t* p) {
  return each<Ints>([&](int i) { return vld1q_s32(p + 4 * i); });
}
inline Floats keep_between(Floats a, Ints first, Ints end, int at, float otherwise) {
  const int32x4_t position = vdupq_n_s32(at);
  return each<Floats>([&](int i) {
    const uint32x4_t kept =
        vandq_u32(vcleq_s32(first.part[i], position), vcgtq_s32(end.part[i], position));
    return vbslq_f32(kept, a.part[i], vdupq_n_f32(otherwise));
  });
}
inline Ints broadcast_int(int32_t x) {
  return each<Ints>([&](int) { return vdupq_n_s32(x); });
}
inline Floats to_float(Ints a) {
  return each<Floats>([&](int i) { return vcvtq_f32_s32(a.part[i]); });
}
// The conversion saturates, and makes 0 of NaN.
inline Ints to_int(Floats a) {
  return each<Ints>([&](int i) {
    const uint32x4_t in_range = vcaltq_f32(a.part[i], vdupq_n_f32(0x1p31f));
    return vbslq_s32(in_range, vcvtnq_s32_f32(a.part[i]), vdupq_n_s32(INT32_MIN));
  });
}
inline Floats power_of_two(Ints n) {
  return each<Floats>([&](int i) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n.part[i], vdupq_n_s32(127)), 23));
  });
}
inline void store_low_bytes(int8_t* p, Ints a) {
  const int16x8_t low = vcombine_s16(vmovn_s32(a.part[0]), vmovn_s32(a.part[1]));
  const int16x8_t high = vcombine_s16(vmovn_s32(a.part[2]), vmovn_s32(a.part[3]));
  vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}

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

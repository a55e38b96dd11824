// Sixteen lanes in four registers of NEON. See vec_scalar.h for what each function means. Without
// weight codes and integer products: vec_neon.h.
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

// Not a loop: compilers would keep the parts in memory.
template <class Parts, class Function>
inline Parts each(Function function) {
  return {{function(0), function(1), function(2), function(3)}};
}

inline Floats load(const float* p) {
  return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
inline void store(float* p, Floats x) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, x.part[i]);
}
inline Floats broadcast(float x) {
  const float32x4_t four = vdupq_n_f32(x);
  return {{four, four, four, four}};
}
inline Floats load_half(const uint16_t* p) {
  return each<Floats>(
      [&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); });
}
inline Floats load_bf16(const uint16_t* p) {
  return each<Floats>([&](int i) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(p + 4 * i)), 16));
  });
}
inline float32x4_t e8m0_halved(uint32x4_t e) {
  const uint32x4_t normal = vshlq_n_u32(vsubq_u32(e, vdupq_n_u32(1)), 23);
  const uint32x4_t subnormal = vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(e));
  return vreinterpretq_f32_u32(vbslq_u32(vcltq_u32(e, vdupq_n_u32(2)), subnormal, normal));
}
inline Floats load_e8m0_halved(const uint8_t* p) {
  const uint8x16_t bytes = vld1q_u8(p);
  const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
  return {{e8m0_halved(vmovl_u16(vget_low_u16(low))), e8m0_halved(vmovl_high_u16(low)),
           e8m0_halved(vmovl_u16(vget_low_u16(high))), e8m0_halved(vmovl_high_u16(high))}};
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
  const float32x4_t limit = vdupq_n_f32(least), zero = vdupq_n_f32(0);
  return each<Floats>(
      [&](int i) { return vbslq_f32(vcaltq_f32(a.part[i], limit), zero, a.part[i]); });
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
inline void store_low_halves(int16_t* p, Ints a) {
  for (int i = 0; i < 4; ++i) vst1_s16(p + 4 * i, vmovn_s32(a.part[i]));
}
inline void store_pairs(int16_t* p, Ints first, Ints second) {
  for (int i = 0; i < 4; ++i)
    vst2_s16(p + 8 * i, {{vmovn_s32(first.part[i]), vmovn_s32(second.part[i])}});
}

}  // namespace

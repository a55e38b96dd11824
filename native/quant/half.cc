// Half and bfloat16 conversions in integer arithmetic, so that every compiler and CPU gives the
// same bits.
#include <bit>

#include "quant/codec.h"

namespace gptoss::quant {
namespace {

constexpr uint32_t kFloatInf = 0x7F800000;

// `value` shifted right by `shift` (1..31), rounded to nearest, ties to even.
uint32_t shift_right_rne(uint32_t value, uint32_t shift) {
  const uint32_t kept = value >> shift;
  const uint32_t lost = value & ((1U << shift) - 1);
  const uint32_t tie = 1U << (shift - 1);
  return kept + (lost > tie || (lost == tie && (kept & 1)) ? 1 : 0);
}

}  // namespace

float half_to_float(uint16_t bits) noexcept {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1F;
  uint32_t fraction = bits & 0x3FF;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | kFloatInf | (fraction << 13));
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  }
  if (fraction == 0) return std::bit_cast<float>(sign);
  // Subnormal: fraction * 2^-24, exact in float, where it is normal.
  const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

uint16_t float_to_half(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  uint32_t half;
  if (magnitude > kFloatInf) {
    half = 0x7E00 | ((magnitude >> 13) & 0x1FF);  // NaN stays NaN, made quiet
  } else if (magnitude >= 0x477FF000) {
    half = 0x7C00;  // 65520 and above round to infinity
  } else if (magnitude >= 0x38800000) {
    half = shift_right_rne(magnitude - (112U << 23),
                           13);  // a carry moves into the exponent, as it should
  } else if (magnitude >= 0x33000000) {
    // Below 2^-14 the half is subnormal: an integer count of 2^-24.
    const uint32_t exponent = magnitude >> 23;  // 102..112
    half = shift_right_rne((magnitude & 0x7FFFFF) | 0x800000, 126 - exponent);
  } else {
    half = 0;  // below 2^-25
  }
  return static_cast<uint16_t>(sign | half);
}

float bf16_to_float(uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t float_to_bf16(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  // NaN: made quiet, since dropping low fraction bits could turn it into infinity.
  if ((bits & 0x7FFFFFFF) > kFloatInf) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>(shift_right_rne(bits, 16));
}

}  // namespace gptoss::quant

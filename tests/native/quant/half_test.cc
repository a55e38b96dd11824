// Half and bfloat16 conversions: every 16-bit pattern, and every rounding border between two
// neighbours.
#include <bit>
#include <cmath>

#include "quant/codec.h"
#include "testing.h"

namespace gptoss::quant {
namespace {

// The value of a half by the definition of the format.
double half_value(uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 0x1F);
  const int fraction = static_cast<int>(bits & 0x3FF);
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

bool is_special(uint32_t bits) { return (bits & 0x7C00) == 0x7C00; }

TEST(every_half_to_float) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = half_to_float(static_cast<uint16_t>(bits));
    CHECK_EQ(std::signbit(value), (bits & 0x8000) != 0);
    if (!is_special(bits)) {
      CHECK_EQ(static_cast<double>(value), half_value(bits));
    } else {
      CHECK_EQ(std::isinf(value), (bits & 0x3FF) == 0);
      CHECK_EQ(std::isnan(value), (bits & 0x3FF) != 0);
    }
  }
}

TEST(every_half_round_trip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const uint16_t back = float_to_half(half_to_float(static_cast<uint16_t>(bits)));
    // A signalling NaN comes back quiet.
    CHECK_EQ(back, (is_special(bits) && (bits & 0x3FF) != 0 ? bits | 0x200 : bits));
  }
}

// Around the middle between two neighbours: below goes down, above goes up, the middle goes to the
// even one.
template <class To, class From>
void check_border(uint32_t low, To to_float, From from_float) {
  const uint32_t high = low + 1;
  const float middle =
      static_cast<float>((static_cast<double>(to_float(static_cast<uint16_t>(low))) +
                          static_cast<double>(to_float(static_cast<uint16_t>(high)))) /
                         2);
  for (const uint32_t sign : {0U, 0x8000U}) {
    const auto convert = [&](float magnitude) { return from_float(sign ? -magnitude : magnitude); };
    CHECK_EQ(convert(std::nextafter(middle, 0.0F)), low | sign);
    CHECK_EQ(convert(std::nextafter(middle, INFINITY)), high | sign);
    CHECK_EQ(convert(middle), (low % 2 == 0 ? low : high) | sign);
  }
}

TEST(every_half_border) {
  for (uint32_t low = 0; low < 0x7BFF; ++low) check_border(low, half_to_float, float_to_half);
}

TEST(every_bf16_border) {
  for (uint32_t low = 0; low < 0x7F7F; ++low) check_border(low, bf16_to_float, float_to_bf16);
}

TEST(half_overflow) {
  CHECK_EQ(float_to_half(65519.996F), 0x7BFF);
  CHECK_EQ(float_to_half(65520.0F), 0x7C00);
  CHECK_EQ(float_to_half(-3e38F), 0xFC00);
  CHECK_EQ(float_to_half(INFINITY), 0x7C00);
}

TEST(every_bf16_round_trip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = bf16_to_float(static_cast<uint16_t>(bits));
    CHECK_EQ(std::bit_cast<uint32_t>(value), bits << 16);
    CHECK_EQ(float_to_bf16(value), (std::isnan(value) ? bits | 0x40 : bits));
  }
}

TEST(bf16_overflow_and_nan) {
  CHECK_EQ(float_to_bf16(std::bit_cast<float>(0x7F7F8000U)), 0x7F80);
  CHECK_EQ(float_to_bf16(std::bit_cast<float>(0x7F800001U)), 0x7FC0);  // must not become infinity
}

}  // namespace
}  // namespace gptoss::quant

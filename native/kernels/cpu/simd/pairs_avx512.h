// Pairs of bfloat16 and the instruction that multiplies them, beside vec_avx512.h.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <immintrin.h>

#include "base/family.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/simd/vec_avx512.h"

namespace {

// 2 inputs of 16 rows: the even one in the low half of a lane, the odd one in the high half.
using Pairs = __m512i;

// Of values that bfloat16 can hold.
inline Pairs pairs_of(Floats even, Floats odd) {
  return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(even), 16),
                         _mm512_castps_si512(odd));
}
// sums + odd weight * x[1], + even weight * x[0]; both are rounded as a fused multiply-add is.
inline Floats dot_pairs(Floats sums, Pairs weights, const uint16_t* x) {
  int32_t two;
  std::memcpy(&two, x, sizeof two);
  return _mm512_dpbf16_ps(sums, std::bit_cast<__m512bh>(weights),
                          std::bit_cast<__m512bh>(_mm512_set1_epi32(two)));
}

// For bf16_formats.inl.h.
struct PairInputs {
  using Tile = gptoss::kernels::cpu::Bf16Tile;
  using Weights = Pairs;
  static constexpr int kSteps = gptoss::kBlock / 4;
  static constexpr int kWideBytes = 2;

  template <class Values>
  static void load_pair(const uint8_t* codes, int step, Pairs& first, Pairs& second) {
    first = pairs_of(Values::input(codes, 4 * step), Values::input(codes, 4 * step + 1));
    second = pairs_of(Values::input(codes, 4 * step + 2), Values::input(codes, 4 * step + 3));
  }
  static const uint16_t* at(const Tile& tile, int row, int step) { return tile.x[row] + 4 * step; }
  static Floats dot(Floats sums, Pairs first, Pairs second, const uint16_t* x) {
    return dot_pairs(dot_pairs(sums, first, x), second, x + 2);
  }
  static Pairs load_wide(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static void store_wide(uint8_t* p, Pairs weights) { _mm512_storeu_si512(p, weights); }
};

}  // namespace

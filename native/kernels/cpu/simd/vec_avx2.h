// AVX2 with integer products in two steps. See vec_scalar.h for what each function means.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "kernels/cpu/simd/lanes_avx2.h"

namespace {

// Pairs of products must fit int16: full bytes do only with the sign moved to the activations.
constexpr int kCodeOffset = 12;
constexpr bool kInt8HasOffset = false;
inline void load_mxfp4(const uint8_t* p, Codes& low, Codes& high) {
  look_up_mxfp4(p, low, high, kCodeOffset);
}
inline Codes load_int8(const uint8_t* p) { return load_codes(p); }

// sums + the int16 pairs of each row.
inline __m256i add_pairs(__m256i sums, __m256i pairs) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
// Codes of up to 24 leave room for several pairs.
inline __m256i dot_small(__m256i sums, __m256i first, __m256i second, __m256i x, __m256i y) {
  return add_pairs(
      sums, _mm256_add_epi16(_mm256_maddubs_epi16(first, x), _mm256_maddubs_epi16(second, y)));
}
inline Ints dot_mxfp4(Ints sums, Codes first, Codes second, const int8_t* x) {
  const __m256i a = four_of(x), b = four_of(x + 4);
  return {dot_small(sums.low, first.low, second.low, a, b),
          dot_small(sums.high, first.high, second.high, a, b)};
}
inline __m256i dot_signed(__m256i sums, __m256i codes, __m256i x) {
  return add_pairs(sums, _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes)));
}
inline Ints dot_int8(Ints sums, Codes first, Codes second, const int8_t* x) {
  const __m256i a = four_of(x), b = four_of(x + 4);
  return {dot_signed(dot_signed(sums.low, first.low, a), second.low, b),
          dot_signed(dot_signed(sums.high, first.high, a), second.high, b)};
}

inline Ints dot_pairs(Ints sums, Ints a, Ints b) {
  return {_mm256_add_epi32(sums.low, _mm256_madd_epi16(a.low, b.low)),
          _mm256_add_epi32(sums.high, _mm256_madd_epi16(a.high, b.high))};
}

}  // namespace

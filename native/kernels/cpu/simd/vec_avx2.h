// AVX2 with integer products in two steps. See vec_scalar.h for what each function means.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "kernels/cpu/simd/lanes_avx2.h"

namespace {

// Pairs of products must fit int16: full bytes do only with the sign moved to the activations.
constexpr int kInt8Offset = 0;
inline Codes load_int8(const uint8_t* p) { return load_codes(p); }
inline __m256i add_products(__m256i sums, __m256i unsigned_codes, __m256i x) {
  const __m256i pairs = _mm256_maddubs_epi16(unsigned_codes, x);
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline Ints dot_mxfp4(Ints sums, Codes codes, const int8_t* x) {
  const __m256i four = four_of(x);
  return {add_products(sums.low, codes.low, four), add_products(sums.high, codes.high, four)};
}
inline Ints dot_int8(Ints sums, Codes codes, const int8_t* x) {
  const __m256i four = four_of(x);
  return {add_products(sums.low, _mm256_abs_epi8(codes.low), _mm256_sign_epi8(four, codes.low)),
          add_products(sums.high, _mm256_abs_epi8(codes.high), _mm256_sign_epi8(four, codes.high))};
}

}  // namespace

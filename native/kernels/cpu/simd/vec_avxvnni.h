// AVX2 with the integer products of AVX-VNNI. See vec_scalar.h for what each function means.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "kernels/cpu/simd/lanes_avx2.h"

namespace {

constexpr int kCodeOffset = 128;
constexpr bool kInt8HasOffset = true;

inline void load_mxfp4(const uint8_t* p, Codes& low, Codes& high) {
  look_up_mxfp4(p, low, high, kCodeOffset);
}
inline Codes load_int8(const uint8_t* p) {
  const __m256i sign = _mm256_set1_epi8(-128);
  return {_mm256_xor_si256(load_bytes(p), sign), _mm256_xor_si256(load_bytes(p + 32), sign)};
}
inline Ints dot_four(Ints sums, Codes codes, __m256i four) {
  return {_mm256_dpbusd_avx_epi32(sums.low, codes.low, four),
          _mm256_dpbusd_avx_epi32(sums.high, codes.high, four)};
}
inline Ints dot_mxfp4(Ints sums, Codes first, Codes second, const int8_t* x) {
  return dot_four(dot_four(sums, first, four_of(x)), second, four_of(x + 4));
}
inline Ints dot_int8(Ints sums, Codes first, Codes second, const int8_t* x) {
  return dot_mxfp4(sums, first, second, x);
}

// Not the intrinsic: gcc 12 copies every sum before and after it.
inline __m256i dot_pairs(__m256i sums, __m256i a, __m256i b) {
  asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sums) : "x"(a), "x"(b));
  return sums;
}
inline Ints dot_pairs(Ints sums, Ints a, Ints b) {
  return {dot_pairs(sums.low, a.low, b.low), dot_pairs(sums.high, a.high, b.high)};
}

}  // namespace

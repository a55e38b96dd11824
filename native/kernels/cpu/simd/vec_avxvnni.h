// AVX2 with the integer products of AVX-VNNI. See vec_scalar.h for what each function means.
#pragma once

#include <cstdint>
#include <immintrin.h>

#include "kernels/cpu/simd/lanes_avx2.h"

namespace {

constexpr int kInt8Offset = 128;
inline Codes load_int8(const uint8_t* p) {
  const __m256i sign = _mm256_set1_epi8(-128);
  return {_mm256_xor_si256(load_bytes(p), sign), _mm256_xor_si256(load_bytes(p + 32), sign)};
}
inline Ints dot_mxfp4(Ints sums, Codes codes, const int8_t* x) {
  const __m256i four = four_of(x);
  return {_mm256_dpbusd_avx_epi32(sums.low, codes.low, four),
          _mm256_dpbusd_avx_epi32(sums.high, codes.high, four)};
}
inline Ints dot_int8(Ints sums, Codes codes, const int8_t* x) { return dot_mxfp4(sums, codes, x); }

}  // namespace

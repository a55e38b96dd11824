// Sixteen lanes in one register of AVX-512 with VNNI. See vec_scalar.h for what each function
// means.
#pragma once

#include <cstdint>
#include <cstring>
#include <immintrin.h>

#include "kernels/cpu/layout.h"

namespace {

constexpr int kLanes = 16;

using Floats = __m512;
using Ints = __m512i;
using Codes = __m512i;

inline Floats load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
inline Floats broadcast(float x) { return _mm512_set1_ps(x); }
inline __m256i load_16x16(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline Floats load_half(const uint16_t* p) { return _mm512_cvtph_ps(load_16x16(p)); }
inline Floats load_bf16(const uint16_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_16x16(p)), 16));
}
inline Floats load_e8m0_halved(const uint8_t* p) {
  const __m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
  const __m512i subnormal = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
  return _mm512_castsi512_ps(
      _mm512_mask_blend_epi32(_mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2)), normal, subnormal));
}

inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats div(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats magnitude(Floats a) { return _mm512_abs_ps(a); }
inline Floats drop_below(Floats a, float least) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(magnitude(a), broadcast(least), _CMP_NLT_UQ), a);
}
inline Ints load_int(const int32_t* p) { return _mm512_loadu_si512(p); }
inline Floats keep_between(Floats a, Ints first, Ints end, int at, float otherwise) {
  const __m512i position = _mm512_set1_epi32(at);
  const __mmask16 kept =
      _mm512_cmple_epi32_mask(first, position) & _mm512_cmpgt_epi32_mask(end, position);
  return _mm512_mask_blend_ps(kept, broadcast(otherwise), a);
}

inline Ints broadcast_int(int32_t x) { return _mm512_set1_epi32(x); }
inline Floats to_float(Ints a) { return _mm512_cvtepi32_ps(a); }
inline Ints to_int(Floats a) { return _mm512_cvtps_epi32(a); }
inline Floats power_of_two(Ints n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
}
inline void store_low_bytes(int8_t* p, Ints a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a));
}
inline void store_low_halves(int16_t* p, Ints a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(a));
}
inline void store_pairs(int16_t* p, Ints first, Ints second) {
  _mm512_storeu_si512(p, _mm512_mask_blend_epi16(0xAAAAAAAA, first, _mm512_slli_epi32(second, 16)));
}
// Not the intrinsic: gcc 12 copies every sum before and after it.
inline Ints dot_pairs(Ints sums, Ints a, Ints b) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
  return sums;
}

// The product instruction takes unsigned weights.
constexpr int kCodeOffset = 128;
constexpr bool kInt8HasOffset = true;

inline void load_mxfp4(const uint8_t* p, Codes& low, Codes& high) {
  // 128 + the doubled values of the 16 codes.
  const __m512i values = _mm512_broadcast_i32x4(_mm_setr_epi8(
      -128, -127, -126, -125, -124, -122, -120, -116, -128, 127, 126, 125, 124, 122, 120, 116));
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i bytes = _mm512_loadu_si512(p);
  low = _mm512_shuffle_epi8(values, _mm512_and_si512(bytes, nibble));
  high = _mm512_shuffle_epi8(values, _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble));
}
inline Codes load_codes(const uint8_t* p) { return _mm512_loadu_si512(p); }
inline Codes load_int8(const uint8_t* p) {
  return _mm512_xor_si512(load_codes(p), _mm512_set1_epi8(-128));
}
inline void store_codes(uint8_t* p, Codes codes) { _mm512_storeu_si512(p, codes); }

inline __m512i four_of(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof four);
  return _mm512_set1_epi32(four);
}
inline Ints dot_mxfp4(Ints sums, Codes first, Codes second, const int8_t* x) {
  sums = _mm512_dpbusd_epi32(sums, first, four_of(x));
  return _mm512_dpbusd_epi32(sums, second, four_of(x + 4));
}
inline Ints dot_int8(Ints sums, Codes first, Codes second, const int8_t* x) {
  return dot_mxfp4(sums, first, second, x);
}

inline Floats mxfp4_floats(const uint8_t* p, int byte, int is_high) {
  const __m512 values = _mm512_setr_ps(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
  return _mm512_permutexvar_ps(
      _mm512_srli_epi32(_mm512_loadu_si512(p), static_cast<unsigned>(8 * byte + 4 * is_high)),
      values);
}
inline Floats int8_floats(const uint8_t* p, int byte) {
  const __m512i high =
      _mm512_slli_epi32(_mm512_loadu_si512(p), static_cast<unsigned>(24 - 8 * byte));
  return _mm512_cvtepi32_ps(_mm512_srai_epi32(high, 24));
}
constexpr int kTilePanels = 2;
constexpr int kTileRows = 8;
constexpr int kScoreKeys = 8;
constexpr int kScoreVectors = 2;
constexpr int kScoreKeysAlone = 8;
constexpr int kValueRows = 4;

inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }

}  // namespace

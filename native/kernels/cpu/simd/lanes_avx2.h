// Sixteen lanes in two registers of AVX2. See vec_scalar.h for what each function means.
// Without the integer products, of which there are two kinds: vec_avx2.h and vec_avxvnni.h.
#pragma once

#include <cstdint>
#include <cstring>
#include <immintrin.h>

#include "kernels/cpu/layout.h"

namespace {

constexpr int kLanes = 16;

struct Floats {
  __m256 low, high;
};
struct Ints {
  __m256i low, high;
};
using Codes = Ints;  // rows 0 to 7, rows 8 to 15

inline __m256i load_bytes(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline __m128i load_half_bytes(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}

inline Floats load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, Floats x) {
  _mm256_storeu_ps(p, x.low);
  _mm256_storeu_ps(p + 8, x.high);
}
inline Floats broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Floats load_half(const uint16_t* p) {
  return {_mm256_cvtph_ps(load_half_bytes(p)), _mm256_cvtph_ps(load_half_bytes(p + 8))};
}
inline __m256 bf16_to_float(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
inline Floats load_bf16(const uint16_t* p) {
  return {bf16_to_float(load_half_bytes(p)), bf16_to_float(load_half_bytes(p + 8))};
}
inline __m256 e8m0_halved(__m256i e) {
  const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
  const __m256i subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
  const __m256i is_subnormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
  return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, subnormal, is_subnormal));
}
inline Floats load_e8m0_halved(const uint8_t* p) {
  const __m128i bytes = load_half_bytes(p);
  return {e8m0_halved(_mm256_cvtepu8_epi32(bytes)),
          e8m0_halved(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
}

inline Floats add(Floats a, Floats b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
inline Floats sub(Floats a, Floats b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
inline Floats mul(Floats a, Floats b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline Floats div(Floats a, Floats b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
inline Floats fma(Floats a, Floats b, Floats c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline Floats max(Floats a, Floats b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
inline Floats min(Floats a, Floats b) {
  return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}
inline Floats magnitude(Floats a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
inline __m256 drop_below(__m256 a, __m256 size, float least) {
  return _mm256_and_ps(a, _mm256_cmp_ps(size, _mm256_set1_ps(least), _CMP_NLT_UQ));
}
inline Floats drop_below(Floats a, float least) {
  const Floats size = magnitude(a);
  return {drop_below(a.low, size.low, least), drop_below(a.high, size.high, least)};
}
inline Ints load_int(const int32_t* p) { return {load_bytes(p), load_bytes(p + 8)}; }
inline __m256 keep_between(__m256 a, __m256i first, __m256i end, __m256i at, __m256 otherwise) {
  const __m256i kept =
      _mm256_andnot_si256(_mm256_cmpgt_epi32(first, at), _mm256_cmpgt_epi32(end, at));
  return _mm256_blendv_ps(otherwise, a, _mm256_castsi256_ps(kept));
}
inline Floats keep_between(Floats a, Ints first, Ints end, int at, float otherwise) {
  const __m256i position = _mm256_set1_epi32(at);
  const __m256 other = _mm256_set1_ps(otherwise);
  return {keep_between(a.low, first.low, end.low, position, other),
          keep_between(a.high, first.high, end.high, position, other)};
}

inline Ints broadcast_int(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline Floats to_float(Ints a) { return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)}; }
inline Ints to_int(Floats a) { return {_mm256_cvtps_epi32(a.low), _mm256_cvtps_epi32(a.high)}; }
inline __m256 power_of_two(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
inline Floats power_of_two(Ints n) { return {power_of_two(n.low), power_of_two(n.high)}; }
inline __m128i low_bytes(__m256i a) {
  const __m256i order = _mm256_set1_epi32(0x0C080400);  // byte 0 of each lane
  const __m256i packed = _mm256_shuffle_epi8(a, order);
  return _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
}
inline void store_low_bytes(int8_t* p, Ints a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_unpacklo_epi64(low_bytes(a.low), low_bytes(a.high)));
}
inline __m128i low_halves(__m256i a) {
  const __m256i order = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13,  //
                                         0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13);
  const __m256i packed = _mm256_shuffle_epi8(a, order);
  return _mm_unpacklo_epi64(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
}
inline void store_low_halves(int16_t* p, Ints a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), low_halves(a.low));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), low_halves(a.high));
}
inline __m256i pairs(__m256i first, __m256i second) {
  return _mm256_blend_epi16(first, _mm256_slli_epi32(second, 16), 0xAA);
}
inline void store_pairs(int16_t* p, Ints first, Ints second) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), pairs(first.low, second.low));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 16), pairs(first.high, second.high));
}

// The doubled values of 64 bytes of nibbles, plus an offset.
inline void look_up_mxfp4(const uint8_t* p, Codes& low, Codes& high, int offset) {
  const __m256i values =
      _mm256_add_epi8(_mm256_broadcastsi128_si256(
                          _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)),
                      _mm256_set1_epi8(static_cast<char>(offset)));
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i first = load_bytes(p), second = load_bytes(p + 32);
  low = {_mm256_shuffle_epi8(values, _mm256_and_si256(first, nibble)),
         _mm256_shuffle_epi8(values, _mm256_and_si256(second, nibble))};
  high = {_mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi16(first, 4), nibble)),
          _mm256_shuffle_epi8(values, _mm256_and_si256(_mm256_srli_epi16(second, 4), nibble))};
}
inline Codes load_codes(const uint8_t* p) { return {load_bytes(p), load_bytes(p + 32)}; }
inline void store_codes(uint8_t* p, Codes codes) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), codes.low);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 32), codes.high);
}

inline __m256 int8_floats(__m256i bytes, int byte) {
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(bytes, 24 - 8 * byte), 24));
}
inline Floats int8_floats(const uint8_t* p, int byte) {
  return {int8_floats(load_bytes(p), byte), int8_floats(load_bytes(p + 32), byte)};
}
// The sign of a zero does not matter: no sum of products is -0.
inline __m256 mxfp4_floats(__m256i bytes, int shift) {
  const __m256i codes = _mm256_srli_epi32(bytes, shift);
  const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(codes, _mm256_set1_epi32(8)), 28);
  const __m256 size = _mm256_permutevar8x32_ps(_mm256_setr_ps(0, 1, 2, 3, 4, 6, 8, 12), codes);
  return _mm256_xor_ps(size, _mm256_castsi256_ps(sign));
}
inline Floats mxfp4_floats(const uint8_t* p, int byte, int is_high) {
  const int shift = 8 * byte + 4 * is_high;
  return {mxfp4_floats(load_bytes(p), shift), mxfp4_floats(load_bytes(p + 32), shift)};
}

inline __m256i four_of(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof four);
  return _mm256_set1_epi32(four);
}

constexpr int kTilePanels = 1;
constexpr int kTileRows = 4;
constexpr int kScoreKeys = 4;
constexpr int kScoreVectors = 1;
constexpr int kScoreKeysAlone = 4;
constexpr int kValueRows = 1;

inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }

}  // namespace

#include <immintrin.h>

#include "machine/peak.h"

namespace gptoss::machine {
namespace {

constexpr int kChains = 16;  // independent sums

float float32_loop(uint64_t n_rounds) {
  __m512 sums[kChains];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
  for (uint64_t round = 0; round < n_rounds; ++round)
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(a, b, sum);
  __m512 total = sums[0];
  for (int i = 1; i < kChains; ++i) total = _mm512_add_ps(total, sums[i]);
  return _mm512_cvtss_f32(total);
}

float int8_loop(uint64_t n_rounds) {
  __m512i sums[kChains];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-5);
  for (uint64_t round = 0; round < n_rounds; ++round)
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, a, b);
  __m512i total = sums[0];
  for (int i = 1; i < kChains; ++i) total = _mm512_add_epi32(total, sums[i]);
  return static_cast<float>(_mm_cvtsi128_si32(_mm512_castsi512_si128(total)));
}

}  // namespace

const PeakLoop kAvx512PeakLoops[2] = {{"avx512", "float32", kChains * 16, float32_loop},
                                      {"avx512", "int8", kChains * 64, int8_loop}};

}  // namespace gptoss::machine

#include <immintrin.h>

#include "machine/peak.h"

namespace gptoss::machine {
namespace {

constexpr int kChains = 12;  // independent sums

float int8_loop(uint64_t n_rounds) {
  __m256i sums[kChains];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  const __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-5);
  for (uint64_t round = 0; round < n_rounds; ++round)
    for (__m256i& sum : sums) sum = _mm256_dpbusd_avx_epi32(sum, a, b);
  __m256i total = sums[0];
  for (int i = 1; i < kChains; ++i) total = _mm256_add_epi32(total, sums[i]);
  return static_cast<float>(_mm256_extract_epi32(total, 0));
}

}  // namespace

const PeakLoop kAvxVnniPeakLoops[1] = {{"avx_vnni", "int8", kChains * 32, int8_loop}};

}  // namespace gptoss::machine

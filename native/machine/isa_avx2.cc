#include <immintrin.h>

#include "machine/peak.h"

namespace gptoss::machine {
namespace {

// Independent sums: two units with a latency of four to five cycles, and 16 registers.
constexpr int kFloatSums = 12, kByteSums = 6;

float float32_loop(uint64_t n_rounds) {
  __m256 sums[kFloatSums];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
  for (uint64_t round = 0; round < n_rounds; ++round)
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(a, b, sum);
  __m256 total = sums[0];
  for (int i = 1; i < kFloatSums; ++i) total = _mm256_add_ps(total, sums[i]);
  return _mm256_cvtss_f32(total);
}

// Without VNNI a product of bytes takes three instructions.
float int8_loop(uint64_t n_rounds) {
  __m256i sums[kByteSums];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  __m256i a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(-5), ones = _mm256_set1_epi16(1);
  for (uint64_t round = 0; round < n_rounds; ++round)
    for (__m256i& sum : sums) {
      asm volatile("" : "+x"(a));  // or the product would be computed once
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  __m256i total = sums[0];
  for (int i = 1; i < kByteSums; ++i) total = _mm256_add_epi32(total, sums[i]);
  return static_cast<float>(_mm256_extract_epi32(total, 0));
}

}  // namespace

const PeakLoop kAvx2PeakLoops[2] = {{"avx2", "float32", kFloatSums * 8, float32_loop},
                                    {"avx2", "int8", kByteSums * 32, int8_loop}};

}  // namespace gptoss::machine

// Decoders of the K-quants: super-blocks of 256 weights whose sub-block scales are quantised
// themselves. Products and differences are rounded one by one, in the order written: the definition
// of the type's values.
#include "quant/blocks.h"
#include "quant/codec.h"
#include "quant/decoders.h"

namespace gptoss::quant {
namespace {

constexpr size_t kItems = 256;

float to_float(int value) { return static_cast<float>(value); }

// 2-bit code of weight i: four groups of 32 weights share 32 bytes, group g in bits 2g and 2g+1.
int two_bits(const uint8_t (&qs)[64], size_t i) {
  return qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

// 4-bit code of weight i: two groups of 32 weights share 32 bytes, low nibbles first.
int nibble(const uint8_t (&qs)[128], size_t i) {
  return qs[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 0x0F;
}

// 6-bit scale s of Q3_K, in [-32, 32): low 4 bits in bytes 0-7 (s, s+8), high 2 bits in bytes 8-11.
int q3_scale(const uint8_t (&scales)[12], size_t s) {
  const int low = scales[s % 8] >> (s / 8 * 4) & 0x0F;
  const int high = scales[8 + s % 4] >> (s / 4 * 2) & 3;
  return (low | high << 4) - 32;
}

struct ScaleMin {
  int scale;
  int min;
};

// 6-bit scale and minimum of sub-block s of Q4_K and Q5_K: 0-3 lie plain in bytes 0-7; of 4-7 the
// low 4 bits lie in bytes 8-11 and the high 2 bits on top of bytes 0-7.
ScaleMin scale_min(const uint8_t (&scales)[12], size_t s) {
  if (s < 4) return {scales[s] & 0x3F, scales[s + 4] & 0x3F};
  return {(scales[s + 4] & 0x0F) | (scales[s - 4] >> 2 & 0x30),
          (scales[s + 4] >> 4) | (scales[s] >> 2 & 0x30)};
}

}  // namespace

void decode_q2_k(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockQ2K>(src, b);
    const float d = half_to_float(block.d);
    const float dmin = half_to_float(block.dmin);
    for (size_t s = 0; s < 16; ++s) {
      const float scale = d * to_float(block.scales[s] & 0x0F);
      const float min = dmin * to_float(block.scales[s] >> 4);
      for (size_t i = s * 16; i < s * 16 + 16; ++i) {
        dst[i] = scale * to_float(two_bits(block.qs, i)) - min;
      }
    }
  }
}

void decode_q3_k(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockQ3K>(src, b);
    const float d = half_to_float(block.d);
    for (size_t s = 0; s < 16; ++s) {
      const float scale = d * to_float(q3_scale(block.scales, s));
      for (size_t i = s * 16; i < s * 16 + 16; ++i) {
        const bool high = block.hmask[i % 32] >> (i / 32) & 1;
        dst[i] = scale * to_float(two_bits(block.qs, i) - (high ? 0 : 4));
      }
    }
  }
}

void decode_q4_k(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockQ4K>(src, b);
    const float d = half_to_float(block.d);
    const float dmin = half_to_float(block.dmin);
    for (size_t s = 0; s < 8; ++s) {
      const ScaleMin sm = scale_min(block.scales, s);
      const float scale = d * to_float(sm.scale);
      const float min = dmin * to_float(sm.min);
      for (size_t i = s * 32; i < s * 32 + 32; ++i) {
        dst[i] = scale * to_float(nibble(block.qs, i)) - min;
      }
    }
  }
}

void decode_q5_k(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockQ5K>(src, b);
    const float d = half_to_float(block.d);
    const float dmin = half_to_float(block.dmin);
    for (size_t s = 0; s < 8; ++s) {
      const ScaleMin sm = scale_min(block.scales, s);
      const float scale = d * to_float(sm.scale);
      const float min = dmin * to_float(sm.min);
      for (size_t i = s * 32; i < s * 32 + 32; ++i) {
        const int high = block.qh[i % 32] >> s & 1;
        dst[i] = scale * to_float(nibble(block.qs, i) | high << 4) - min;
      }
    }
  }
}

void decode_q6_k(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockQ6K>(src, b);
    const float d = half_to_float(block.d);
    for (size_t s = 0; s < 16; ++s) {
      const float scale = d * to_float(block.scales[s]);
      for (size_t i = s * 16; i < s * 16 + 16; ++i) {
        // Two groups of 64 weights share 64 bytes of ql; the 2-bit part is laid out as in Q2_K.
        const int low = block.ql[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 0x0F;
        dst[i] = scale * to_float((low | two_bits(block.qh, i) << 4) - 32);
      }
    }
  }
}

}  // namespace gptoss::quant

// Decoders of the 16-bit floats and of the types with one scale per 32 weights.
#include <bit>

#include "quant/blocks.h"
#include "quant/codec.h"
#include "quant/decoders.h"

namespace gptoss::quant {
namespace {

constexpr size_t kItems = 32;

uint32_t load_bits(const uint8_t (&qh)[4]) {
  uint32_t bits;
  std::memcpy(&bits, qh, sizeof bits);
  return bits;
}

// 4-bit code of weight i, i in [0, 32).
int nibble(const uint8_t (&qs)[16], size_t i) { return i < 16 ? qs[i] & 0x0F : qs[i - 16] >> 4; }

// 5-bit code of weight i.
int five_bits(const uint8_t (&qs)[16], uint32_t qh, size_t i) {
  return nibble(qs, i) | static_cast<int>((qh >> i) & 1) << 4;
}

// 2^(e-128): half of the E8M0 scale 2^(e-127), since kMxfp4Values are doubled. e = 0 and 1 are
// subnormal floats. e = 255 is NaN in the OCP standard; ggml, gguf and this reader take it as one
// more exponent, 2^127.
float mxfp4_scale(uint8_t e) {
  const uint32_t bits = e < 2 ? 0x00200000U << e : static_cast<uint32_t>(e - 1) << 23;
  return std::bit_cast<float>(bits);
}

}  // namespace

void decode_f16(const void* src, float* dst, size_t n) noexcept {
  for (size_t i = 0; i < n; ++i) dst[i] = half_to_float(load<uint16_t>(src, i));
}

void decode_bf16(const void* src, float* dst, size_t n) noexcept {
  for (size_t i = 0; i < n; ++i) dst[i] = bf16_to_float(load<uint16_t>(src, i));
}

void decode_q4_0(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockQ4_0>(src, b);
    const float d = half_to_float(block.d);
    for (size_t i = 0; i < kItems; ++i) dst[i] = d * static_cast<float>(nibble(block.qs, i) - 8);
  }
}

void decode_q4_1(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockQ4_1>(src, b);
    const float d = half_to_float(block.d);
    const float m = half_to_float(block.m);
    for (size_t i = 0; i < kItems; ++i) dst[i] = d * static_cast<float>(nibble(block.qs, i)) + m;
  }
}

void decode_q5_0(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockQ5_0>(src, b);
    const float d = half_to_float(block.d);
    const uint32_t qh = load_bits(block.qh);
    for (size_t i = 0; i < kItems; ++i) {
      dst[i] = d * static_cast<float>(five_bits(block.qs, qh, i) - 16);
    }
  }
}

void decode_q5_1(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockQ5_1>(src, b);
    const float d = half_to_float(block.d);
    const float m = half_to_float(block.m);
    const uint32_t qh = load_bits(block.qh);
    for (size_t i = 0; i < kItems; ++i) {
      dst[i] = d * static_cast<float>(five_bits(block.qs, qh, i)) + m;
    }
  }
}

void decode_q8_0(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockQ8_0>(src, b);
    const float d = half_to_float(block.d);
    for (size_t i = 0; i < kItems; ++i) dst[i] = static_cast<float>(block.qs[i]) * d;
  }
}

void decode_mxfp4(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockMxfp4>(src, b);
    const float d = mxfp4_scale(block.e);
    for (size_t i = 0; i < kItems; ++i) {
      dst[i] = d * static_cast<float>(kMxfp4Values[nibble(block.qs, i)]);
    }
  }
}

void decode_mxfp4_pairs(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += kItems) {
    const auto block = load<BlockMxfp4>(src, b);
    const float d = mxfp4_scale(block.e);
    for (size_t j = 0; j < kItems / 2; ++j) {
      dst[2 * j] = d * static_cast<float>(kMxfp4Values[block.qs[j] & 0x0F]);
      dst[2 * j + 1] = d * static_cast<float>(kMxfp4Values[block.qs[j] >> 4]);
    }
  }
}

}  // namespace gptoss::quant

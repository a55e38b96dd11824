// Decoders of the non-linear 4-bit types.
#include "quant/blocks.h"
#include "quant/codec.h"
#include "quant/decoders.h"

namespace gptoss::quant {
namespace {

// Weights of 32 4-bit codes under one scale. qs: (16); dst: (32).
void decode_32(float scale, const uint8_t* qs, float* dst) {
  for (size_t i = 0; i < 16; ++i) {
    dst[i] = scale * static_cast<float>(kIq4Values[qs[i] & 0x0F]);
    dst[i + 16] = scale * static_cast<float>(kIq4Values[qs[i] >> 4]);
  }
}

}  // namespace

void decode_iq4_nl(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += 32) {
    const auto block = load<BlockIq4Nl>(src, b);
    decode_32(half_to_float(block.d), block.qs, dst);
  }
}

void decode_iq4_xs(const void* src, float* dst, size_t n_blocks) noexcept {
  for (size_t b = 0; b < n_blocks; ++b, dst += 256) {
    const auto block = load<BlockIq4Xs>(src, b);
    const float d = half_to_float(block.d);
    for (size_t s = 0; s < 8; ++s) {
      const int low = block.scales_l[s / 2] >> (s % 2 * 4) & 0x0F;
      const int high = block.scales_h >> (2 * s) & 3;
      decode_32(d * static_cast<float>((low | high << 4) - 32), block.qs + s * 16, dst + s * 32);
    }
  }
}

}  // namespace gptoss::quant

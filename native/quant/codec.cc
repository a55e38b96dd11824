#include "quant/codec.h"

#include <cassert>
#include <cmath>
#include <cstring>

#include "quant/blocks.h"
#include "quant/decoders.h"

namespace gptoss::quant {

void dequantize_row(TensorType type, const void* src, float* dst, size_t n) noexcept {
  const size_t block_items = type_traits(type).block_items;
  assert(n % block_items == 0);
  const size_t n_blocks = n / block_items;
  switch (type) {
    case TensorType::f32:
      std::memcpy(dst, src, n * sizeof(float));
      return;
    case TensorType::f16:
      return decode_f16(src, dst, n);
    case TensorType::bf16:
      return decode_bf16(src, dst, n);
    case TensorType::q4_0:
      return decode_q4_0(src, dst, n_blocks);
    case TensorType::q4_1:
      return decode_q4_1(src, dst, n_blocks);
    case TensorType::mxfp4_pairs:
      return decode_mxfp4_pairs(src, dst, n_blocks);
    case TensorType::q5_0:
      return decode_q5_0(src, dst, n_blocks);
    case TensorType::q5_1:
      return decode_q5_1(src, dst, n_blocks);
    case TensorType::q8_0:
      return decode_q8_0(src, dst, n_blocks);
    case TensorType::q2_k:
      return decode_q2_k(src, dst, n_blocks);
    case TensorType::q3_k:
      return decode_q3_k(src, dst, n_blocks);
    case TensorType::q4_k:
      return decode_q4_k(src, dst, n_blocks);
    case TensorType::q5_k:
      return decode_q5_k(src, dst, n_blocks);
    case TensorType::q6_k:
      return decode_q6_k(src, dst, n_blocks);
    case TensorType::iq4_nl:
      return decode_iq4_nl(src, dst, n_blocks);
    case TensorType::iq4_xs:
      return decode_iq4_xs(src, dst, n_blocks);
    case TensorType::mxfp4:
      return decode_mxfp4(src, dst, n_blocks);
  }
}

void quantize_row_q8_0(const float* src, void* dst, size_t n) noexcept {
  assert(n % 32 == 0);
  for (size_t b = 0; b < n / 32; ++b, src += 32) {
    float max = 0.0F;
    for (size_t i = 0; i < 32; ++i) {
      const float magnitude = std::fabs(src[i]);
      if (!(magnitude <= max)) max = magnitude;  // a NaN sticks
      if (std::isnan(max)) break;
    }
    const float d = max / 127.0F;
    const float inverse = d == 0.0F ? 0.0F : 1.0F / d;
    BlockQ8_0 block;
    block.d = float_to_half(d);
    for (size_t i = 0; i < 32; ++i) {
      // Not finite only when d is infinite, NaN or so small that its half is zero: then the code
      // means nothing.
      const float code = std::round(src[i] * inverse);
      block.qs[i] = std::isfinite(code) ? static_cast<int8_t>(code) : int8_t{0};
    }
    std::memcpy(static_cast<std::byte*>(dst) + b * sizeof block, &block, sizeof block);
  }
}

}  // namespace gptoss::quant

// Scalar codecs: the definition of what the bytes of each tensor type mean. Bit-exact with the gguf
// package.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quant/tensor_type.h"

namespace gptoss::quant {

// Decodes `n` weights of any supported type. src: (row_bytes(type, n)) bytes, any alignment; dst:
// (n). Precondition: n is a multiple of the type's block_items.
void dequantize_row(TensorType type, const void* src, float* dst, size_t n) noexcept;

// Encodes `n` weights as Q8_0 (scale = max|x|/127 in half precision, round half away from zero).
// src: (n); dst: (row_bytes(q8_0, n)) bytes. Precondition: n is a multiple of 32. A block that
// holds NaN or infinity gets NaN or infinity as its scale.
void quantize_row_q8_0(const float* src, void* dst, size_t n) noexcept;

float half_to_float(uint16_t bits) noexcept;
uint16_t float_to_half(float value) noexcept;  // round to nearest even
float bf16_to_float(uint16_t bits) noexcept;
uint16_t float_to_bf16(float value) noexcept;  // round to nearest even

}  // namespace gptoss::quant

// The decoder of each type, for codec.cc only. src: n_blocks blocks, any alignment; dst: all their
// weights.
#pragma once

#include <cstddef>

namespace gptoss::quant {

void decode_f16(const void* src, float* dst, size_t n) noexcept;
void decode_bf16(const void* src, float* dst, size_t n) noexcept;
void decode_q4_0(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_q4_1(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_q5_0(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_q5_1(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_q8_0(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_mxfp4(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_mxfp4_pairs(const void* src, float* dst, size_t n_blocks) noexcept;

void decode_q2_k(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_q3_k(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_q4_k(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_q5_k(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_q6_k(const void* src, float* dst, size_t n_blocks) noexcept;

void decode_iq4_nl(const void* src, float* dst, size_t n_blocks) noexcept;
void decode_iq4_xs(const void* src, float* dst, size_t n_blocks) noexcept;

}  // namespace gptoss::quant

// How the CPU device keeps weights and activations: what its kernels may rely on.
//
// A matrix is packed into panels of 16 rows, so that one vector register holds the same 4 inputs of
// 16 outputs. A panel is contiguous and starts on a cache line: the codes of all its blocks of 32
// inputs, then the scales. Rows that fill up the last panel are zero.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/family.h"
#include "quant/tensor_type.h"

namespace gptoss::kernels::cpu {

inline constexpr int kPanelRows = 16;
inline constexpr int kLine = 64;  // bytes of a cache line

inline constexpr int kInputRows = 16;  // rows of input in a tile

// 32 inputs of up to 16 rows, rounded to int8 with one scale for each row: x[i] ~ scale * q[i].
struct alignas(kLine) QuantTile {
  int8_t q[kInputRows][kBlock];
  float scale[kInputRows];
  int32_t correction[kInputRows];  // what an offset of the weight codes adds to a sum, negated
};
static_assert(sizeof(QuantTile) == 640);

// The same inputs rounded to bfloat16, and those as floats.
struct alignas(kLine) Bf16Tile {
  uint16_t x[kInputRows][kBlock];
};
struct alignas(kLine) Bf16FloatTile {
  float x[kInputRows][kBlock];
};

constexpr int64_t tiles_of(int64_t rows) { return (rows + kInputRows - 1) / kInputRows; }

// Bytes of one block of 32 inputs x 16 rows.
struct BlockBytes {
  int codes = 0;
  int scales = 0;
};

// mxfp4: codes [4][16 rows][4]: byte j of group g holds inputs 8g+j (low nibble) and 8g+4+j (high);
//        scales [16 rows], exponents.
// q8_0:  codes [8][16 rows][4]: inputs 4g+j; scales [16 rows], halves.
// Others: [32 inputs][16 rows] values, no scales.
constexpr BlockBytes block_bytes(quant::TensorType type) {
  switch (type) {
    case quant::TensorType::mxfp4:
      return {kBlock / 2 * kPanelRows, kPanelRows};
    case quant::TensorType::q8_0:
      return {kBlock * kPanelRows, 2 * kPanelRows};
    case quant::TensorType::f32:
      return {4 * kBlock * kPanelRows, 0};
    default:  // f16, bf16
      return {2 * kBlock * kPanelRows, 0};
  }
}

constexpr size_t panel_bytes(quant::TensorType type, int64_t n_blocks) {
  const BlockBytes bytes = block_bytes(type);
  const size_t exact =
      static_cast<size_t>(bytes.codes + bytes.scales) * static_cast<size_t>(n_blocks);
  return (exact + kLine - 1) / kLine * kLine;
}

constexpr int64_t panels_of(int64_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }

// Sizes of the integers of attention, so that sums of products with 64 dimensions, and with the
// values of 64 tokens, fit 32 bits: the norm of a query or key, to which roundings add up to 4; the
// sum of a row's weights of a page, to which they add up to 32; the size of a value.
inline constexpr float kLargestInt16 = 32767;
inline constexpr float kHeadNorm = 46336;
inline constexpr float kLargestValue = 11585;
inline constexpr float kWeightsSum = 185000;
static_assert((46336LL + 4) * (46336 + 4) <= INT32_MAX && kHeadDim == 64);
static_assert((185000LL + kPageTokens / 2) * 11585 <= INT32_MAX);

// One KV head of a page of the cache: K and V as integers, each token with a scale, that of V a
// power of two. The values of two tokens lie side by side. Where a number of a token is NaN or
// infinite, its scale or exponent is NaN.
struct alignas(kLine) HeadPage {
  int16_t keys[kPageTokens][kHeadDim];
  int16_t values[kPageTokens / 2][kHeadDim][2];
  float key_scales[kPageTokens];
  float value_exponents[kPageTokens];
};
static_assert(sizeof(HeadPage) == size_t{2 * kPageTokens} * (kHeadDim * 2 + 4));

// Query rows (tokens x the 8 heads of a KV head) that share the keys of a page.
inline constexpr int kQueryRows = 64;

}  // namespace gptoss::kernels::cpu

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

// Queries, keys, values and weights of attention are at most this in size: 64 products of two of
// them fit 32 bits.
inline constexpr float kLargestInt16 = 5792.0f;

// One KV head of a page of the cache: K and V as integers, each token with a scale, that of V a
// power of two. The values of two tokens lie side by side. A token with a NaN in its K or V has NaN
// for its K's scale.
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

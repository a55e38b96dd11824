// Weights for inputs in bfloat16: integers and bfloat16 are bfloat16 exactly, their products are
// float32 exactly, and those of a block are added to a sum of their own in one order, the odd one
// of a pair first, as the instructions for it do. Included by the ISA spines only.
#pragma once

#include "kernels/cpu/templates/block_product.inl.h"

namespace {

using gptoss::kernels::cpu::Bf16Tile;

// What formats for inputs in bf16 have in common.
struct Bf16Inputs {
  using Tile = Bf16Tile;
  using Weights = Pairs;
  using Sums = Floats;
  static constexpr int kSteps = kBlock / 4;
  static constexpr int kWideBytes = 2;

  template <class Format>
  static Sums start(const Tile&, int) {
    return broadcast(0.0f);
  }
  static const uint16_t* at(const Tile& tile, int row, int step) { return tile.x[row] + 4 * step; }
  static Sums dot(Sums sums, Pairs first, Pairs second, const uint16_t* x) {
    return dot_bf16(dot_bf16(sums, first, x), second, x + 2);
  }
  static Floats add_block(Sums dots, Floats scales, const Tile&, int, Floats sums) {
    return fma(dots, scales, sums);
  }
  static Weights load_wide(const uint8_t* p) { return load_pairs(p); }
  static void store_wide(uint8_t* p, Weights weights) { store_pairs(p, weights); }
};

struct Mxfp4InBf16 : Bf16Inputs {
  static constexpr auto kBytes = block_bytes(TensorType::mxfp4);
  static constexpr bool kFromMemory = true;
  // A group of 8 inputs makes two steps: its low nibbles, its high ones.
  static void load_pair(const uint8_t* codes, int step, Pairs& first, Pairs& second) {
    const uint8_t* const group = codes + step / 2 * 4 * kPanelRows;
    const int nibble = step % 2;
    first = pairs_of(mxfp4_floats(group, nibble), mxfp4_floats(group, nibble + 2));
    second = pairs_of(mxfp4_floats(group, nibble + 4), mxfp4_floats(group, nibble + 6));
  }
  static Floats scales(const uint8_t* p) { return load_e8m0_halved(p); }
};

struct Int8InBf16 : Bf16Inputs {
  static constexpr auto kBytes = block_bytes(TensorType::q8_0);
  static constexpr bool kFromMemory = true;
  static void load_pair(const uint8_t* codes, int step, Pairs& first, Pairs& second) {
    const uint8_t* const group = codes + step * 4 * kPanelRows;
    first = pairs_of(int8_floats(group, 0), int8_floats(group, 1));
    second = pairs_of(int8_floats(group, 2), int8_floats(group, 3));
  }
  static Floats scales(const uint8_t* p) { return load_half(reinterpret_cast<const uint16_t*>(p)); }
};

struct Bf16Blocks : Bf16Inputs {
  static constexpr auto kBytes = block_bytes(TensorType::bf16);
  static constexpr bool kFromMemory = true;
  static void load_pair(const uint8_t* values, int step, Pairs& first, Pairs& second) {
    const auto* const inputs = reinterpret_cast<const uint16_t*>(values) + step * 4 * kPanelRows;
    first = pairs_of(load_bf16(inputs), load_bf16(inputs + kPanelRows));
    second = pairs_of(load_bf16(inputs + 2 * kPanelRows), load_bf16(inputs + 3 * kPanelRows));
  }
  static Floats scales(const uint8_t*) { return broadcast(1.0f); }
};

}  // namespace

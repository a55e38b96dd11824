// Weights of integers for inputs in int8: sums of a block's products are exact. Included by the ISA
// spines only.
#pragma once

#include "kernels/cpu/templates/block_product.inl.h"

namespace {

using gptoss::kernels::cpu::QuantTile;

constexpr int kGroupBytes = 4 * kPanelRows;  // of 4 inputs, one byte for each

// What formats for inputs in int8 have in common.
struct Int8Inputs {
  using Tile = QuantTile;
  using Weights = Codes;
  using Sums = Ints;
  static constexpr int kSteps = kBlock / 8;
  static constexpr int kWideBytes = 1;

  template <class Format>
  static Sums start(const Tile& tile, int row) {
    return broadcast_int(Format::kHasOffset ? tile.correction[row] : 0);
  }
  static const int8_t* at(const Tile& tile, int row, int step) { return tile.q[row] + 8 * step; }
  static Floats add_block(Sums dots, Floats scales, const Tile& tile, int row, Floats sums) {
    return fma(to_float(dots), mul(scales, broadcast(tile.scale[row])), sums);
  }
  static Weights load_wide(const uint8_t* p) { return load_codes(p); }
  static void store_wide(uint8_t* p, Weights weights) { store_codes(p, weights); }
};

struct Mxfp4 : Int8Inputs {
  static constexpr auto kBytes = block_bytes(TensorType::mxfp4);
  static constexpr bool kFromMemory = true;
  static constexpr bool kHasOffset = kCodeOffset != 0;
  static void load_pair(const uint8_t* codes, int step, Codes& first, Codes& second) {
    load_mxfp4(codes + step * kGroupBytes, first, second);
  }
  static Floats scales(const uint8_t* p) { return load_e8m0_halved(p); }
  static Ints dot(Ints sums, Codes first, Codes second, const int8_t* x) {
    return dot_mxfp4(sums, first, second, x);
  }
};

struct Int8 : Int8Inputs {
  static constexpr auto kBytes = block_bytes(TensorType::q8_0);
  static constexpr bool kFromMemory = true;
  static constexpr bool kHasOffset = kInt8HasOffset;
  static void load_pair(const uint8_t* codes, int step, Codes& first, Codes& second) {
    first = load_int8(codes + 2 * step * kGroupBytes);
    second = load_int8(codes + (2 * step + 1) * kGroupBytes);
  }
  static Floats scales(const uint8_t* p) { return load_half(reinterpret_cast<const uint16_t*>(p)); }
  static Ints dot(Ints sums, Codes first, Codes second, const int8_t* x) {
    return dot_int8(sums, first, second, x);
  }
};

}  // namespace

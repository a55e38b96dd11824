// Weights for inputs rounded to bfloat16: weights of integers or bfloat16 are used as they are,
// products are exact in float32, and those of a block are added to a sum of their own, the odd
// input of a pair before the even one: the order of the instruction for such pairs. Included by the
// ISA spines only.
#pragma once

#include "kernels/cpu/templates/block_product.inl.h"

namespace {

using gptoss::kernels::cpu::Bf16FloatTile;

// Sums of products of such weights and of inputs, see round_to_bf16, are multiples of 2^-126, so
// that none is subnormal, which the instruction takes for zero.
constexpr float kLeastBf16Weight = 0x1p-52f;

// input(): weights of 16 rows for input i of a block, which begins at p.
struct Mxfp4Values {
  static constexpr auto kBytes = block_bytes(TensorType::mxfp4);
  static Floats input(const uint8_t* p, int i) {
    return mxfp4_floats(p + i / 8 * 4 * kPanelRows, i % 4, i % 8 / 4);
  }
  static Floats scales(const uint8_t* p) { return load_e8m0_halved(p); }
};
struct Int8Values {
  static constexpr auto kBytes = block_bytes(TensorType::q8_0);
  static Floats input(const uint8_t* p, int i) {
    return int8_floats(p + i / 4 * 4 * kPanelRows, i % 4);
  }
  static Floats scales(const uint8_t* p) { return load_half(reinterpret_cast<const uint16_t*>(p)); }
};
struct Bf16Values {
  static constexpr auto kBytes = block_bytes(TensorType::bf16);
  static Floats input(const uint8_t* p, int i) {
    return drop_below(load_bf16(reinterpret_cast<const uint16_t*>(p) + i * kPanelRows),
                      kLeastBf16Weight);
  }
  static Floats scales(const uint8_t*) { return broadcast(1.0f); }
};

// Inputs and weights widened to float32.
struct FloatInputs {
  using Tile = Bf16FloatTile;
  using Weights = Floats;
  static constexpr int kSteps = kBlock / 2;
  static constexpr int kWideBytes = 4;

  template <class Values>
  static void load_pair(const uint8_t* codes, int step, Floats& first, Floats& second) {
    first = Values::input(codes, 2 * step);
    second = Values::input(codes, 2 * step + 1);
  }
  static const float* at(const Tile& tile, int row, int step) { return tile.x[row] + 2 * step; }
  static Floats dot(Floats sums, Floats first, Floats second, const float* x) {
    return fma(first, broadcast(x[0]), fma(second, broadcast(x[1]), sums));
  }
  static Floats load_wide(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
  static void store_wide(uint8_t* p, Floats weights) {
    store(reinterpret_cast<float*>(p), weights);
  }
};

template <class Values, class Inputs>
struct InBf16 : Values, Inputs {
  using Sums = Floats;
  static constexpr bool kFromMemory = true;

  static void load_pair(const uint8_t* codes, int step, typename Inputs::Weights& first,
                        typename Inputs::Weights& second) {
    Inputs::template load_pair<Values>(codes, step, first, second);
  }
  template <class Format>
  static Floats start(const typename Inputs::Tile&, int) {
    return broadcast(0.0f);
  }
  static Floats add_block(Floats dots, Floats scales, const typename Inputs::Tile&, int,
                          Floats sums) {
    return fma(dots, scales, sums);
  }
};

}  // namespace

// Products with weights in floating point: one fused multiply-add for each input. Included by the
// ISA spines only.
#pragma once

#include "base/family.h"
#include "kernels/cpu/templates/tiles.inl.h"

namespace {

using gptoss::kBlock;

struct F32 {
  static constexpr int kBytes = 4;
  static Floats weights(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
};
struct F16 {
  static constexpr int kBytes = 2;
  static Floats weights(const uint8_t* p) {
    return load_half(reinterpret_cast<const uint16_t*>(p));
  }
};
struct Bf16 {
  static constexpr int kBytes = 2;
  static Floats weights(const uint8_t* p) {
    return load_bf16(reinterpret_cast<const uint16_t*>(p));
  }
};

template <class Format, int kPanels, int kRows>
inline void float_tile(const uint8_t* const* panels, Span span, const float* const* rows,
                       float* out) {
  Floats sums[kPanels][kRows];
  for (int p = 0; p < kPanels; ++p)
    for (int r = 0; r < kRows; ++r) sums[p][r] = broadcast(0.0f);
  for (int64_t i = 0; i < span.count * kBlock; ++i) {
    Floats weights[kPanels];
    for (int p = 0; p < kPanels; ++p) {
      const uint8_t* at = panels[p] + i * Format::kBytes * kPanelRows;
      if (kRows == 1) prefetch(at + kAhead);
      weights[p] = Format::weights(at);
    }
    for (int r = 0; r < kRows; ++r) {
      const Floats x = broadcast(rows[r][i]);
      for (int p = 0; p < kPanels; ++p) sums[p][r] = fma(weights[p], x, sums[p][r]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) store(out + r * kProductWidth + p * kPanelRows, sums[p][r]);
}

template <class Format>
struct FloatTile {
  template <int kPanels, int kRows>
  static void run(const uint8_t* const* panels, Span span, const ProductArgs& args, int row,
                  float* out) {
    float_tile<Format, kPanels, kRows>(panels, span, args.rows + row, out);
  }
};

}  // namespace

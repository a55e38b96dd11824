// Products of integer weights and quantised activations: those of a block of 32 are summed exactly,
// then added to the float sum with one rounding. Included by the ISA spines only.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/templates/tiles.inl.h"

namespace {

using gptoss::kBlock;
using gptoss::kernels::cpu::QuantBlock;
using gptoss::quant::TensorType;

constexpr int kGroups = kBlock / 4;          // of 4 inputs
constexpr int kGroupBytes = 4 * kPanelRows;  // one byte for each input

// How a block of an integer format is read. codes(), scales(): of block b of a panel.
struct Mxfp4 {
  static constexpr auto kBytes = gptoss::kernels::cpu::block_bytes(TensorType::mxfp4);
  static constexpr int kOffset = kMxfp4Offset;
  static void load_pair(const uint8_t* codes, int pair, Codes& first, Codes& second) {
    load_mxfp4(codes + pair * kGroupBytes, first, second);
  }
  static Floats scales(const uint8_t* p) { return load_e8m0_halved(p); }
  static Ints dot(Ints sums, Codes codes, const int8_t* x) { return dot_mxfp4(sums, codes, x); }
};
struct Int8 {
  static constexpr auto kBytes = gptoss::kernels::cpu::block_bytes(TensorType::q8_0);
  static constexpr int kOffset = kInt8Offset;
  static void load_pair(const uint8_t* codes, int pair, Codes& first, Codes& second) {
    first = load_int8(codes + 2 * pair * kGroupBytes);
    second = load_int8(codes + (2 * pair + 1) * kGroupBytes);
  }
  static Floats scales(const uint8_t* p) { return load_half(reinterpret_cast<const uint16_t*>(p)); }
  static Ints dot(Ints sums, Codes codes, const int8_t* x) { return dot_int8(sums, codes, x); }
};
// A format whose codes have been spread to bytes and whose scales to float32.
template <class Format>
struct Unpacked {
  static constexpr gptoss::kernels::cpu::BlockBytes kBytes{kBlock * kPanelRows, 4 * kPanelRows};
  static constexpr int kOffset = Format::kOffset;
  static void load_pair(const uint8_t* codes, int pair, Codes& first, Codes& second) {
    first = load_codes(codes + 2 * pair * kGroupBytes);
    second = load_codes(codes + (2 * pair + 1) * kGroupBytes);
  }
  static Floats scales(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
  static Ints dot(Ints sums, Codes codes, const int8_t* x) { return Format::dot(sums, codes, x); }
};

template <class Format>
inline const uint8_t* scales_of(const uint8_t* panel, int64_t n_blocks) {
  return panel + Format::kBytes.codes * n_blocks;
}

// out[r][p * 16 ..] for kRows rows of input.
template <class Format, int kPanels, int kRows>
inline void integer_tile(const uint8_t* const* panels, int64_t n_blocks, const void* const* inputs,
                         float* out) {
  Floats sums[kPanels][kRows];
  for (int p = 0; p < kPanels; ++p)
    for (int r = 0; r < kRows; ++r) sums[p][r] = broadcast(0.0f);
  for (int64_t b = 0; b < n_blocks; ++b) {
    const QuantBlock* x[kRows];
    Ints dots[kPanels][kRows];
    for (int r = 0; r < kRows; ++r) {
      x[r] = static_cast<const QuantBlock*>(inputs[r]) + b;
      for (int p = 0; p < kPanels; ++p) dots[p][r] = broadcast_int(-Format::kOffset * x[r]->sum);
    }
    for (int pair = 0; pair < kGroups / 2; ++pair) {
      Codes first[kPanels], second[kPanels];
      for (int p = 0; p < kPanels; ++p) {
        const uint8_t* codes = panels[p] + b * Format::kBytes.codes;
        if (kRows == 1) prefetch(codes + pair * (Format::kBytes.codes / 4) + kAhead);
        Format::load_pair(codes, pair, first[p], second[p]);
      }
      for (int r = 0; r < kRows; ++r)
        for (int p = 0; p < kPanels; ++p) {
          dots[p][r] = Format::dot(dots[p][r], first[p], x[r]->q + 8 * pair);
          dots[p][r] = Format::dot(dots[p][r], second[p], x[r]->q + 8 * pair + 4);
        }
    }
    for (int p = 0; p < kPanels; ++p) {
      const Floats scales =
          Format::scales(scales_of<Format>(panels[p], n_blocks) + b * Format::kBytes.scales);
      for (int r = 0; r < kRows; ++r)
        sums[p][r] = fma(to_float(dots[p][r]), mul(scales, broadcast(x[r]->scale)), sums[p][r]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) store(out + r * kProductWidth + p * kPanelRows, sums[p][r]);
}

template <class Format>
struct IntegerTile {
  template <int kPanels, int kRows>
  static void run(const uint8_t* const* panels, int64_t n_blocks, const void* const* inputs,
                  float* out) {
    integer_tile<Format, kPanels, kRows>(panels, n_blocks, inputs, out);
  }
};

// Spreads a panel's codes and scales; returns the end of what it wrote.
template <class Format>
uint8_t* unpack(const uint8_t* panel, int64_t n_blocks, uint8_t* out) {
  using Wide = Unpacked<Format>;
  uint8_t* scales = out + Wide::kBytes.codes * n_blocks;
  for (int64_t b = 0; b < n_blocks; ++b) {
    const uint8_t* codes = panel + b * Format::kBytes.codes;
    for (int pair = 0; pair < kGroups / 2; ++pair) {
      Codes first, second;
      Format::load_pair(codes, pair, first, second);
      store_codes(out, first);
      store_codes(out + kGroupBytes, second);
      out += 2 * kGroupBytes;
    }
    store(reinterpret_cast<float*>(scales),
          Format::scales(scales_of<Format>(panel, n_blocks) + b * Format::kBytes.scales));
    scales += Wide::kBytes.scales;
  }
  return scales;
}

// Unpacks first where several tiles of rows use the panels.
template <class Format>
void integer_product(const ProductArgs& args) {
  const uint8_t *first = bytes_of(args.panels[0]), *second = bytes_of(args.panels[1]);
  if (args.n_rows <= kTileRows) return run_panels<IntegerTile<Format>>(first, second, args);
  auto* const wide_first = reinterpret_cast<uint8_t*>(args.scratch);
  uint8_t* const wide_second = unpack<Format>(first, args.n_blocks, wide_first);
  if (second != nullptr) unpack<Format>(second, args.n_blocks, wide_second);
  run_panels<IntegerTile<Unpacked<Format>>>(wide_first, second != nullptr ? wide_second : nullptr,
                                            args);
}

}  // namespace

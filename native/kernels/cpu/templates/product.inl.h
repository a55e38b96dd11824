// Matrix products: tiles of panels x rows of input, held in registers over all inputs. Included by
// the ISA spines only.
//
// Integer formats: the products of a block of 32 are summed exactly, then added to the float sum
// with one rounding. Float formats: one fused multiply-add per input. Both over ascending inputs,
// whatever the tile: a result depends on its row of input alone.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/templates/vector_math.inl.h"

namespace {

using gptoss::kernels::cpu::kPanelRows;
using gptoss::kernels::cpu::kProductWidth;
using gptoss::kernels::cpu::ProductArgs;
using gptoss::quant::TensorType;

constexpr int kGroups = kBlock / 4;          // of 4 inputs
constexpr int kGroupBytes = 4 * kPanelRows;  // one byte for each input
constexpr int kAhead = 4096;                 // bytes to prefetch, a page ahead

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
inline void float_tile(const uint8_t* const* panels, int64_t n_blocks, const void* const* inputs,
                       float* out) {
  Floats sums[kPanels][kRows];
  for (int p = 0; p < kPanels; ++p)
    for (int r = 0; r < kRows; ++r) sums[p][r] = broadcast(0.0f);
  for (int64_t i = 0; i < n_blocks * kBlock; ++i) {
    Floats weights[kPanels];
    for (int p = 0; p < kPanels; ++p) {
      const uint8_t* at = panels[p] + i * Format::kBytes * kPanelRows;
      if (kRows == 1) prefetch(at + kAhead);
      weights[p] = Format::weights(at);
    }
    for (int r = 0; r < kRows; ++r) {
      const Floats x = broadcast(static_cast<const float*>(inputs[r])[i]);
      for (int p = 0; p < kPanels; ++p) sums[p][r] = fma(weights[p], x, sums[p][r]);
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
template <class Format>
struct FloatTile {
  template <int kPanels, int kRows>
  static void run(const uint8_t* const* panels, int64_t n_blocks, const void* const* inputs,
                  float* out) {
    float_tile<Format, kPanels, kRows>(panels, n_blocks, inputs, out);
  }
};

// The rows that remain after the full tiles, fewer than kRows of them.
template <class Tile, int kPanels, int kRows>
inline void run_rest(int n_rows, const uint8_t* const* panels, int64_t n_blocks,
                     const void* const* inputs, float* out) {
  if constexpr (kRows > 0) {
    if (n_rows == kRows) return Tile::template run<kPanels, kRows>(panels, n_blocks, inputs, out);
    run_rest<Tile, kPanels, kRows - 1>(n_rows, panels, n_blocks, inputs, out);
  }
}

template <class Tile, int kPanels>
inline void run_rows(const uint8_t* const* panels, const ProductArgs& args, float* out) {
  int row = 0;
  for (; row + kTileRows <= args.n_rows; row += kTileRows)
    Tile::template run<kPanels, kTileRows>(panels, args.n_blocks, args.inputs + row,
                                           out + row * kProductWidth);
  run_rest<Tile, kPanels, kTileRows - 1>(args.n_rows - row, panels, args.n_blocks,
                                         args.inputs + row, out + row * kProductWidth);
}

template <class Tile>
inline void run_panels(const uint8_t* first, const uint8_t* second, const ProductArgs& args) {
  const uint8_t* panels[2] = {first, second};
  if (second != nullptr && kTilePanels == 2)
    return run_rows<Tile, kTilePanels>(panels, args, args.out);
  run_rows<Tile, 1>(panels, args, args.out);
  if (second != nullptr) run_rows<Tile, 1>(panels + 1, args, args.out + kPanelRows);
}

inline const uint8_t* bytes_of(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

template <class Tile>
void product(const ProductArgs& args) {
  run_panels<Tile>(bytes_of(args.panels[0]), bytes_of(args.panels[1]), args);
}

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

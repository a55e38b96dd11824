// Products of integer weights and quantised activations: those of a block of 32 are summed exactly,
// then added to the float sum with one rounding. Included by the ISA spines only.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/templates/tiles.inl.h"

namespace {

using gptoss::kBlock;
using gptoss::kernels::cpu::kInputRows;
using gptoss::kernels::cpu::kSpanBlocks;
using gptoss::kernels::cpu::kUnpackedBytes;
using gptoss::kernels::cpu::QuantTile;
using gptoss::quant::TensorType;

constexpr int kGroups = kBlock / 4;          // of 4 inputs
constexpr int kGroupBytes = 4 * kPanelRows;  // one byte for each input

// How a block of an integer format is read. codes(), scales(): of block b of a panel.
struct Mxfp4 {
  static constexpr auto kBytes = gptoss::kernels::cpu::block_bytes(TensorType::mxfp4);
  static constexpr bool kFromMemory = true;
  static constexpr bool kHasOffset = kCodeOffset != 0;
  static void load_pair(const uint8_t* codes, int pair, Codes& first, Codes& second) {
    load_mxfp4(codes + pair * kGroupBytes, first, second);
  }
  static Floats scales(const uint8_t* p) { return load_e8m0_halved(p); }
  static Ints dot(Ints sums, Codes first, Codes second, const int8_t* x) {
    return dot_mxfp4(sums, first, second, x);
  }
};
struct Int8 {
  static constexpr auto kBytes = gptoss::kernels::cpu::block_bytes(TensorType::q8_0);
  static constexpr bool kFromMemory = true;
  static constexpr bool kHasOffset = kInt8HasOffset;
  static void load_pair(const uint8_t* codes, int pair, Codes& first, Codes& second) {
    first = load_int8(codes + 2 * pair * kGroupBytes);
    second = load_int8(codes + (2 * pair + 1) * kGroupBytes);
  }
  static Floats scales(const uint8_t* p) { return load_half(reinterpret_cast<const uint16_t*>(p)); }
  static Ints dot(Ints sums, Codes first, Codes second, const int8_t* x) {
    return dot_int8(sums, first, second, x);
  }
};
// A format whose codes have been spread to bytes and whose scales to float32.
template <class Format>
struct Unpacked {
  static constexpr gptoss::kernels::cpu::BlockBytes kBytes{kBlock * kPanelRows, 4 * kPanelRows};
  static constexpr bool kFromMemory = false;
  static constexpr bool kHasOffset = Format::kHasOffset;
  static void load_pair(const uint8_t* codes, int pair, Codes& first, Codes& second) {
    first = load_codes(codes + 2 * pair * kGroupBytes);
    second = load_codes(codes + (2 * pair + 1) * kGroupBytes);
  }
  static Floats scales(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
  static Ints dot(Ints sums, Codes first, Codes second, const int8_t* x) {
    return Format::dot(sums, first, second, x);
  }
};

// The tile that `row` is in, of the span's first block.
inline const QuantTile* input_tiles(const ProductArgs& args, Span span, int row) {
  return args.tiles + row / kInputRows * args.n_blocks + span.first;
}

template <class Format>
inline const uint8_t* scales_of(const uint8_t* panel, int64_t n_blocks) {
  return panel + Format::kBytes.codes * n_blocks;
}

// out[r][p * 16 ..] for kRows rows of input, from `row` of the tiles on; adds to what is there
// unless the span is the first.
template <class Format, int kPanels, int kRows>
inline void integer_tile(const uint8_t* const* panels, Span span, const QuantTile* x, int row,
                         float* out) {
  Floats sums[kPanels][kRows];
  for (int p = 0; p < kPanels; ++p)
    for (int r = 0; r < kRows; ++r)
      sums[p][r] =
          span.first == 0 ? broadcast(0.0f) : load(out + r * kProductWidth + p * kPanelRows);
  for (int64_t b = 0; b < span.count; ++b, ++x) {
    Ints dots[kPanels][kRows];
    for (int r = 0; r < kRows; ++r)
      for (int p = 0; p < kPanels; ++p)
        dots[p][r] = broadcast_int(Format::kHasOffset ? x->correction[row + r] : 0);
    for (int pair = 0; pair < kGroups / 2; ++pair) {
      Codes first[kPanels], second[kPanels];
      for (int p = 0; p < kPanels; ++p) {
        const uint8_t* codes = panels[p] + b * Format::kBytes.codes;
        if (Format::kFromMemory) prefetch(codes + pair * (Format::kBytes.codes / 4) + kAhead);
        Format::load_pair(codes, pair, first[p], second[p]);
      }
      for (int r = 0; r < kRows; ++r)
        for (int p = 0; p < kPanels; ++p)
          dots[p][r] = Format::dot(dots[p][r], first[p], second[p], x->q[row + r] + 8 * pair);
    }
    for (int p = 0; p < kPanels; ++p) {
      const Floats scales =
          Format::scales(scales_of<Format>(panels[p], span.count) + b * Format::kBytes.scales);
      for (int r = 0; r < kRows; ++r)
        sums[p][r] =
            fma(to_float(dots[p][r]), mul(scales, broadcast(x->scale[row + r])), sums[p][r]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) store(out + r * kProductWidth + p * kPanelRows, sums[p][r]);
}

template <class Format>
struct IntegerTile {
  static_assert(kInputRows % kTileRows == 0);
  template <int kPanels, int kRows>
  static void run(const uint8_t* const* panels, Span span, const ProductArgs& args, int row,
                  float* out) {
    integer_tile<Format, kPanels, kRows>(panels, span, input_tiles(args, span, row),
                                         row % kInputRows, out);
  }
};

// Spreads the codes and scales of a panel's span to out: (kUnpackedBytes).
template <class Format>
void unpack(const uint8_t* panel, int64_t n_blocks, Span span, uint8_t* out) {
  using Wide = Unpacked<Format>;
  uint8_t* scales = out + Wide::kBytes.codes * span.count;
  for (int64_t b = span.first; b < span.first + span.count; ++b) {
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
}

inline int64_t span_blocks(int64_t n_blocks, int64_t first) {
  return n_blocks - first < kSpanBlocks ? n_blocks - first : kSpanBlocks;
}

// The codes of the span after this one; nothing behind the last.
template <class Format>
inline Ahead codes_ahead(const ProductArgs& args, Span span, int n_steps) {
  const int64_t next = span.first + span.count;
  if (next == args.n_blocks) return {};
  const int64_t offset = next * Format::kBytes.codes;
  const uint8_t *first = bytes_of(args.panels[0]), *second = bytes_of(args.panels[1]);
  return {first + offset, second == nullptr ? nullptr : second + offset,
          span_blocks(args.n_blocks, next) * Format::kBytes.codes, n_steps};
}

// Where several tiles of rows use the panels, they are unpacked a span at a time, which stays in
// the L1 cache while all rows pass.
template <class Format>
void integer_product(const ProductArgs& args) {
  const uint8_t *first = bytes_of(args.panels[0]), *second = bytes_of(args.panels[1]);
  if (args.n_rows <= kTileRows)
    return run_panels<IntegerTile<Format>>(first, second, {0, args.n_blocks}, args);
  auto* const wide = reinterpret_cast<uint8_t*>(args.scratch);
  uint8_t* const wide_second = second == nullptr ? nullptr : wide + kUnpackedBytes;
  for (Span span{0, 0}; span.first < args.n_blocks; span.first += kSpanBlocks) {
    span.count = span_blocks(args.n_blocks, span.first);
    unpack<Format>(first, args.n_blocks, span, wide);
    if (second != nullptr) unpack<Format>(second, args.n_blocks, span, wide_second);
    run_panels<IntegerTile<Unpacked<Format>>>(
        wide, wide_second, span, args,
        codes_ahead<Format>(args, span,
                            args.n_rows / kTileRows * (second != nullptr ? kPasses : 1)));
  }
}

}  // namespace

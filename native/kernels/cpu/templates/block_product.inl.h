// Products of weights and inputs in tiles: those of a block of 32 are summed first, then added to
// the float sum with one rounding. Included by the ISA spines only.
//
// A format says how weights are stored and what inputs they take: int8_formats.inl.h,
// bf16_formats.inl.h. A step is two registers of weights.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/templates/tiles.inl.h"

namespace {

using gptoss::kBlock;
using gptoss::kernels::cpu::block_bytes;
using gptoss::kernels::cpu::kInputRows;
using gptoss::kernels::cpu::kSpanBlocks;
using gptoss::kernels::cpu::kUnpackedBytes;
using gptoss::quant::TensorType;

constexpr int kStepBytes = 2 * 4 * kPanelRows;  // two registers

// A format whose weights have been spread to registers as they are used, and scales to float32.
template <class Format>
struct Unpacked : Format {
  static constexpr gptoss::kernels::cpu::BlockBytes kBytes{kBlock * kPanelRows * Format::kWideBytes,
                                                           4 * kPanelRows};
  static constexpr bool kFromMemory = false;
  static void load_pair(const uint8_t* weights, int step, typename Format::Weights& first,
                        typename Format::Weights& second) {
    first = Format::load_wide(weights + step * kStepBytes);
    second = Format::load_wide(weights + step * kStepBytes + kStepBytes / 2);
  }
  static Floats scales(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
};

// Blocks that are unpacked at once.
template <class Format>
constexpr int64_t kFormatSpan = kSpanBlocks / Format::kWideBytes;

// The tile that `row` is in, of the span's first block.
template <class Tile>
inline const Tile* input_tiles(const ProductArgs& args, Span span, int row) {
  return reinterpret_cast<const Tile*>(args.tiles) + row / kInputRows * args.n_blocks + span.first;
}

template <class Format>
inline const uint8_t* scales_of(const uint8_t* panel, int64_t n_blocks) {
  return panel + Format::kBytes.codes * n_blocks;
}

// out[r][p * 16 ..] for kRows rows of input, from `row` of the tiles on; adds to what is there
// unless the span is the first.
template <class Format, int kPanels, int kRows>
inline void block_tile(const uint8_t* const* panels, Span span, const typename Format::Tile* x,
                       int row, float* out) {
  Floats sums[kPanels][kRows];
  for (int p = 0; p < kPanels; ++p)
    for (int r = 0; r < kRows; ++r)
      sums[p][r] =
          span.first == 0 ? broadcast(0.0f) : load(out + r * kProductWidth + p * kPanelRows);
  for (int64_t b = 0; b < span.count; ++b, ++x) {
    typename Format::Sums dots[kPanels][kRows];
    for (int r = 0; r < kRows; ++r)
      for (int p = 0; p < kPanels; ++p) dots[p][r] = Format::template start<Format>(*x, row + r);
    for (int step = 0; step < Format::kSteps; ++step) {
      typename Format::Weights first[kPanels], second[kPanels];
      for (int p = 0; p < kPanels; ++p) {
        const uint8_t* codes = panels[p] + b * Format::kBytes.codes;
        if (Format::kFromMemory)
          prefetch(codes + step * (Format::kBytes.codes / Format::kSteps) + kAhead);
        Format::load_pair(codes, step, first[p], second[p]);
      }
      for (int r = 0; r < kRows; ++r)
        for (int p = 0; p < kPanels; ++p)
          dots[p][r] = Format::dot(dots[p][r], first[p], second[p], Format::at(*x, row + r, step));
    }
    for (int p = 0; p < kPanels; ++p) {
      const Floats scales =
          Format::scales(scales_of<Format>(panels[p], span.count) + b * Format::kBytes.scales);
      for (int r = 0; r < kRows; ++r)
        sums[p][r] = Format::add_block(dots[p][r], scales, *x, row + r, sums[p][r]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p) store(out + r * kProductWidth + p * kPanelRows, sums[p][r]);
}

template <class Format>
struct BlockTile {
  static_assert(kInputRows % kTileRows == 0);
  template <int kPanels, int kRows>
  static void run(const uint8_t* const* panels, Span span, const ProductArgs& args, int row,
                  float* out) {
    block_tile<Format, kPanels, kRows>(
        panels, span, input_tiles<typename Format::Tile>(args, span, row), row % kInputRows, out);
  }
};

// Spreads the weights and scales of a panel's span to out: (kUnpackedBytes).
template <class Format>
void unpack(const uint8_t* panel, int64_t n_blocks, Span span, uint8_t* out) {
  using Wide = Unpacked<Format>;
  uint8_t* scales = out + Wide::kBytes.codes * span.count;
  for (int64_t b = span.first; b < span.first + span.count; ++b) {
    const uint8_t* codes = panel + b * Format::kBytes.codes;
    for (int step = 0; step < Format::kSteps; ++step, out += kStepBytes) {
      typename Format::Weights first, second;
      Format::load_pair(codes, step, first, second);
      Format::store_wide(out, first);
      Format::store_wide(out + kStepBytes / 2, second);
    }
    store(reinterpret_cast<float*>(scales),
          Format::scales(scales_of<Format>(panel, n_blocks) + b * Format::kBytes.scales));
    scales += Wide::kBytes.scales;
  }
}

template <class Format>
inline int64_t span_blocks(int64_t n_blocks, int64_t first) {
  return n_blocks - first < kFormatSpan<Format> ? n_blocks - first : kFormatSpan<Format>;
}

// The codes of the span after this one; nothing behind the last.
template <class Format>
inline Ahead codes_ahead(const ProductArgs& args, Span span, int n_steps) {
  const int64_t next = span.first + span.count;
  if (next == args.n_blocks) return {};
  const int64_t offset = next * Format::kBytes.codes;
  const uint8_t *first = bytes_of(args.panels[0]), *second = bytes_of(args.panels[1]);
  return {first + offset, second == nullptr ? nullptr : second + offset,
          span_blocks<Format>(args.n_blocks, next) * Format::kBytes.codes, n_steps};
}

// Where several tiles of rows use the panels, they are unpacked a span at a time, which stays in
// the L1 cache while all rows pass.
template <class Format>
void block_product(const ProductArgs& args) {
  const uint8_t *first = bytes_of(args.panels[0]), *second = bytes_of(args.panels[1]);
  if (args.n_rows <= kTileRows)
    return run_panels<BlockTile<Format>>(first, second, {0, args.n_blocks}, args);
  auto* const wide = reinterpret_cast<uint8_t*>(args.scratch);
  uint8_t* const wide_second = second == nullptr ? nullptr : wide + kUnpackedBytes;
  for (Span span{0, 0}; span.first < args.n_blocks; span.first += kFormatSpan<Format>) {
    span.count = span_blocks<Format>(args.n_blocks, span.first);
    unpack<Format>(first, args.n_blocks, span, wide);
    if (second != nullptr) unpack<Format>(second, args.n_blocks, span, wide_second);
    run_panels<BlockTile<Unpacked<Format>>>(
        wide, wide_second, span, args,
        codes_ahead<Format>(args, span,
                            args.n_rows / kTileRows * (second != nullptr ? kPasses : 1)));
  }
}

}  // namespace

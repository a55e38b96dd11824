// How the products go over panels and rows of input: in tiles that are held in registers over all
// inputs. Included by the ISA spines only.
//
// A product sums over ascending inputs, whatever the tile: a result depends on its row of input
// alone.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace {

using gptoss::kernels::cpu::kPanelRows;
using gptoss::kernels::cpu::kProductWidth;
using gptoss::kernels::cpu::ProductArgs;

// Blocks of 32 inputs; panels begin with the first of them, rows of input with the matrix's first.
struct Span {
  int64_t first, count;
};

constexpr int kAhead = 4096;  // bytes to prefetch in decode, a page ahead

// The rows that remain after the full tiles, fewer than kRows of them.
template <class Tile, int kPanels, int kRows>
inline void run_rest(int n_rows, const uint8_t* const* panels, Span span, const void* const* inputs,
                     float* out) {
  if constexpr (kRows > 0) {
    if (n_rows == kRows) return Tile::template run<kPanels, kRows>(panels, span, inputs, out);
    run_rest<Tile, kPanels, kRows - 1>(n_rows, panels, span, inputs, out);
  }
}

template <class Tile, int kPanels>
inline void run_rows(const uint8_t* const* panels, Span span, const ProductArgs& args, float* out) {
  int row = 0;
  for (; row + kTileRows <= args.n_rows; row += kTileRows)
    Tile::template run<kPanels, kTileRows>(panels, span, args.inputs + row,
                                           out + row * kProductWidth);
  run_rest<Tile, kPanels, kTileRows - 1>(args.n_rows - row, panels, span, args.inputs + row,
                                         out + row * kProductWidth);
}

template <class Tile>
inline void run_panels(const uint8_t* first, const uint8_t* second, Span span,
                       const ProductArgs& args) {
  const uint8_t* panels[2] = {first, second};
  if (second != nullptr && kTilePanels == 2)
    return run_rows<Tile, kTilePanels>(panels, span, args, args.out);
  run_rows<Tile, 1>(panels, span, args, args.out);
  if (second != nullptr) run_rows<Tile, 1>(panels + 1, span, args, args.out + kPanelRows);
}

inline const uint8_t* bytes_of(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

template <class Tile>
void product(const ProductArgs& args) {
  run_panels<Tile>(bytes_of(args.panels[0]), bytes_of(args.panels[1]), {0, args.n_blocks}, args);
}

}  // namespace

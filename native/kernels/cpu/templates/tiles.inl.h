// How the products go over panels and rows of input: in tiles that are held in registers over all
// inputs. Included by the ISA spines only.
//
// A product sums over ascending inputs, whatever the tile: a result depends on its row of input
// alone.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace {

using gptoss::kernels::cpu::kLine;
using gptoss::kernels::cpu::kPanelRows;
using gptoss::kernels::cpu::kProductWidth;
using gptoss::kernels::cpu::ProductArgs;

// Blocks of 32 inputs; panels begin with the first of them, rows of input with the matrix's first.
struct Span {
  int64_t first, count;
};

constexpr int kAhead = 4096;  // bytes to prefetch in decode, a page ahead

constexpr int kPasses = 2 / kTilePanels;  // over the rows, for two panels

// Weights of both panels that come next, fetched from memory a part at a time while others compute.
class Ahead {
 public:
  Ahead() = default;
  // second: may be nullptr. To be fetched in about n_steps.
  Ahead(const uint8_t* first, const uint8_t* second, int64_t n_bytes, int n_steps)
      : at_{first, second}, left_(n_bytes), step_(n_bytes / n_steps + kLine) {}

  void step() {
    for (int64_t until = left_ - step_; left_ > 0 && left_ > until; left_ -= kLine)
      for (const uint8_t*& at : at_) {
        if (at == nullptr) continue;
        prefetch(at);
        at += kLine;
      }
  }

 private:
  const uint8_t* at_[2] = {};
  int64_t left_ = 0, step_ = 0;
};

// The rows that remain after the full tiles, fewer than kRows of them.
template <class Tile, int kPanels, int kRows>
inline void run_rest(const uint8_t* const* panels, Span span, const ProductArgs& args, int row,
                     float* out) {
  if constexpr (kRows > 0) {
    if (args.n_rows - row == kRows)
      return Tile::template run<kPanels, kRows>(panels, span, args, row, out);
    run_rest<Tile, kPanels, kRows - 1>(panels, span, args, row, out);
  }
}

// out: row 0 of the first panel.
template <class Tile, int kPanels>
inline void run_rows(const uint8_t* const* panels, Span span, const ProductArgs& args, Ahead& ahead,
                     float* out) {
  int row = 0;
  for (; row + kTileRows <= args.n_rows; row += kTileRows) {
    Tile::template run<kPanels, kTileRows>(panels, span, args, row, out + row * kProductWidth);
    ahead.step();
  }
  run_rest<Tile, kPanels, kTileRows - 1>(panels, span, args, row, out + row * kProductWidth);
}

template <class Tile>
inline void run_panels(const uint8_t* first, const uint8_t* second, Span span,
                       const ProductArgs& args, Ahead ahead = {}) {
  const uint8_t* panels[2] = {first, second};
  if (second != nullptr && kTilePanels == 2)
    return run_rows<Tile, kTilePanels>(panels, span, args, ahead, args.out);
  run_rows<Tile, 1>(panels, span, args, ahead, args.out);
  if (second != nullptr) run_rows<Tile, 1>(panels + 1, span, args, ahead, args.out + kPanelRows);
}

inline const uint8_t* bytes_of(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

template <class Tile>
void product(const ProductArgs& args) {
  run_panels<Tile>(bytes_of(args.panels[0]), bytes_of(args.panels[1]), {0, args.n_blocks}, args);
}

}  // namespace

// The product over all threads, shared by the device's sources.
#pragma once

#include <algorithm>

#include "kernels/cpu/cpu_ops.h"

namespace gptoss::kernels::cpu {

inline const std::byte* panel(const Matrix& packed, int64_t which, int64_t index) {
  return packed.data + static_cast<size_t>(which) * packed.matrix_stride +
         static_cast<size_t>(index) * packed.row_stride;
}

// Adds the biases of `n` outputs, from number `first` on, to their sums.
inline void add_bias(const float* bias, int64_t first, float* sums, int64_t n) {
  if (bias == nullptr) return;
  for (int64_t i = 0; i < n; ++i) sums[i] += bias[first + i];
}

template <class RowOf>
void CpuOps::multiply(quant::TensorType type, const std::byte* first, const std::byte* second,
                      const Inputs& inputs, int64_t first_tile, size_t n_rows, RowOf row_of,
                      float* out, int thread) {
  Workspace& space = workspace(thread);
  const int64_t n_blocks = inputs.cols / kBlock;
  for (size_t r = 0; r < n_rows; ++r) space.rows[r] = inputs.x + row_of(r) * inputs.cols;
  run_product(type, {{first, second},
                     n_blocks,
                     static_cast<int>(n_rows),
                     inputs.tiles == nullptr ? nullptr : tile(first_tile, n_blocks),
                     space.rows,
                     out,
                     space.unpacked});
}

template <class Store>
void CpuOps::product(std::span<const Linear* const> linears, const Inputs& inputs, int64_t n_rows,
                     Store store) {
  const int64_t n_chunks = (n_rows + kProductRows - 1) / kProductRows;
  int64_t n_items = 0;
  for (const Linear* linear : linears)
    n_items += (panels_of(linear->weight.rows) + 1) / 2 * n_chunks;
  // Items next to each other share weights, so that chunks of rows find them in the cache.
  pool_.parallel_for(n_items, [&](int64_t item, int thread) {
    size_t which = 0;
    for (;; ++which) {
      const int64_t n = (panels_of(linears[which]->weight.rows) + 1) / 2 * n_chunks;
      if (item < n) break;
      item -= n;
    }
    const Linear& linear = *linears[which];
    const Matrix& w = linear.weight;
    const int64_t first_panel = item / n_chunks * 2, first_row = item % n_chunks * kProductRows;
    const auto rows = static_cast<int>(std::min<int64_t>(kProductRows, n_rows - first_row));
    float* const out = workspace(thread).out;
    const bool has_second = first_panel + 1 < panels_of(w.rows);
    multiply(
        w.type, panel(w, 0, first_panel), has_second ? panel(w, 0, first_panel + 1) : nullptr,
        inputs, first_row / kInputRows, static_cast<size_t>(rows),
        [&](size_t r) { return first_row + static_cast<int64_t>(r); }, out, thread);
    const int64_t first_output = first_panel * kPanelRows;
    const int64_t n_outputs = std::min<int64_t>(kProductWidth, w.rows - first_output);
    for (int r = 0; r < rows; ++r) {
      float* const sums = out + r * kProductWidth;
      add_bias(linear.bias, first_output, sums, n_outputs);
      store(which, first_row + r, first_output, sums, n_outputs);
    }
  });
}

}  // namespace gptoss::kernels::cpu

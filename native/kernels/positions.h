// Where the rows of a step stand: position, page table, rotation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "kernels/ops.h"

namespace gptoss::kernels {

// K and V of one head in one page; HeadPage: as the device stores them.
template <class HeadPage>
HeadPage& page_of_head(const KvLayer& kv, int32_t page, int64_t head) {
  std::byte* const base = kv.base + static_cast<size_t>(page) * kv.page_stride;
  return reinterpret_cast<HeadPage*>(base)[head];
}

inline const int32_t* pages_of(const SequenceRows& sequence, bool sliding) {
  return sliding ? sequence.window_pages : sequence.pages;
}

inline const SequenceRows& sequence_of_row(std::span<const SequenceRows> sequences, int64_t row) {
  const auto after =
      std::upper_bound(sequences.begin(), sequences.end(), row,
                       [](int64_t r, const SequenceRows& s) { return r < s.row_begin; });
  return *(after - 1);
}

inline int64_t position_of_row(const SequenceRows& sequence, int64_t row) {
  return sequence.position_begin + row - sequence.row_begin;
}

// The first position that a query at `position` sees.
inline int64_t first_seen(int64_t position, bool sliding) {
  return sliding ? std::max<int64_t>(0, position - (kWindow - 1)) : 0;
}

// Rotates the halves of each head by the angle of the position. heads: (n_heads, 64). The angle is
// a product in float32, as in the released implementations: beyond a few thousand positions its
// rounding is part of the model.
inline void rotate(const Rope& rope, int64_t position, float* heads, int64_t n_heads) {
  constexpr int kHalf = kHeadDim / 2;
  float cosine[kHalf], sine[kHalf];
  for (int i = 0; i < kHalf; ++i) {
    const float angle = static_cast<float>(position) * rope.inverse_frequency[i];
    cosine[i] = std::cos(angle) * rope.magnitude;
    sine[i] = std::sin(angle) * rope.magnitude;
  }
  for (int64_t head = 0; head < n_heads; ++head, heads += kHeadDim)
    for (int i = 0; i < kHalf; ++i) {
      const float a = heads[i], b = heads[i + kHalf];
      heads[i] = a * cosine[i] - b * sine[i];
      heads[i + kHalf] = b * cosine[i] + a * sine[i];
    }
}

}  // namespace gptoss::kernels

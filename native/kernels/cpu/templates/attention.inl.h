// Attention of up to 64 query rows over one block of keys. Included by the ISA spines only.
//
// Every score is a sum over ascending dimensions, every weighted value one over ascending keys, and
// blocks are merged in order: what a row gets depends on its position alone.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/templates/vector_math.inl.h"

namespace {

using gptoss::kHeadDim;
using gptoss::kPageTokens;
using gptoss::kernels::cpu::KeyBlockArgs;
using gptoss::kernels::cpu::KeyBlockScratch;
using gptoss::kernels::cpu::kKeyBlock;

constexpr int kHeadVectors = kHeadDim / kLanes;
constexpr int kKeyStep = 2 * kLanes;  // keys of a register tile

// The keys that any row sees, from the beginning of a tile.
struct KeyRange {
  int begin, end;
};

inline KeyRange keys_seen(const KeyBlockArgs& args) {
  int begin = kKeyBlock, end = 0;
  for (int r = 0; r < args.n_rows; ++r) {
    if (args.end[r] <= args.first[r]) continue;
    begin = args.first[r] < begin ? args.first[r] : begin;
    end = args.end[r] > end ? args.end[r] : end;
  }
  return {begin / kKeyStep * kKeyStep, end};
}

// Keys (transposed) and values as floats, zero up to a whole tile: what stands behind the last
// key may belong to somebody else.
void load_block(const KeyBlockArgs& args, KeyRange range) {
  KeyBlockScratch& s = *args.scratch;
  const int whole = (range.end + kKeyStep - 1) / kKeyStep * kKeyStep;
  for (int key = range.begin; key < whole; ++key) {
    const int page = key / kPageTokens, offset = key % kPageTokens * kHeadDim;
    for (int v = 0; v < kHeadVectors; ++v) {
      const int d = v * kLanes;
      Floats value = broadcast(0.0f);
      float lane[kLanes] = {};
      if (key < range.end) {
        value = load_half(args.values[page] + offset + d);
        store(lane, load_half(args.keys[page] + offset + d));
      }
      store(&s.values[key][d], value);
      for (int i = 0; i < kLanes; ++i) s.keys[d + i][key] = lane[i];
    }
  }
}

template <int kRows>
void score_rows(const KeyBlockArgs& args, int row, KeyRange range) {
  KeyBlockScratch& s = *args.scratch;
  for (int key = range.begin; key < range.end; key += kKeyStep) {
    Floats scores[kRows][2];
    for (int r = 0; r < kRows; ++r) scores[r][0] = scores[r][1] = broadcast(0.0f);
    for (int d = 0; d < kHeadDim; ++d) {
      const Floats first = load(&s.keys[d][key]), second = load(&s.keys[d][key + kLanes]);
      for (int r = 0; r < kRows; ++r) {
        const Floats query = broadcast(args.queries[row + r][d]);
        scores[r][0] = fma(first, query, scores[r][0]);
        scores[r][1] = fma(second, query, scores[r][1]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      store(&s.weights[row + r][key], scores[r][0]);
      store(&s.weights[row + r][key + kLanes], scores[r][1]);
    }
  }
}

// Scores to weights relative to the block's highest; returns that and the sum of the weights.
struct BlockSoftmax {
  float highest, sum;
};

BlockSoftmax softmax_row(float* weights, int first, int end, KeyRange range) {
  Floats highest = broadcast(-__builtin_inff());
  for (int key = range.begin; key < range.end; key += kLanes)
    highest =
        max(highest, keep_range(load(weights + key), first - key, end - key, -__builtin_inff()));
  const float top = highest_lane(highest);
  Floats sum = broadcast(0.0f);
  for (int key = range.begin; key < range.end; key += kLanes) {
    const Floats weight = keep_range(exponential(sub(load(weights + key), broadcast(top))),
                                     first - key, end - key, 0.0f);
    store(weights + key, weight);
    sum = add(sum, weight);
  }
  return {top, sum_lanes(sum)};
}

// The keys that any of kRows rows sees. Rows of one token see the same, so that nothing is read
// which a row does not see: a NaN times its weight of zero would be a NaN.
template <int kRows>
inline KeyRange seen_by_rows(const KeyBlockArgs& args, int row) {
  KeyRange seen{kKeyBlock, 0};
  for (int r = row; r < row + kRows; ++r) {
    seen.begin = args.first[r] < seen.begin ? args.first[r] : seen.begin;
    seen.end = args.end[r] > seen.end ? args.end[r] : seen.end;
  }
  return seen;
}

template <int kRows>
void sum_values(const KeyBlockScratch& s, int row, KeyRange range, float* out) {
  Floats sums[kRows][kHeadVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kHeadVectors; ++v) sums[r][v] = broadcast(0.0f);
  for (int key = range.begin; key < range.end; ++key) {
    Floats values[kHeadVectors];
    for (int v = 0; v < kHeadVectors; ++v) values[v] = load(&s.values[key][v * kLanes]);
    for (int r = 0; r < kRows; ++r) {
      const Floats weight = broadcast(s.weights[row + r][key]);
      for (int v = 0; v < kHeadVectors; ++v) sums[r][v] = fma(values[v], weight, sums[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kHeadVectors; ++v) store(out + r * kHeadDim + v * kLanes, sums[r][v]);
}

// Adds the block to what the row has seen of earlier ones.
void merge(const KeyBlockArgs& args, int row, BlockSoftmax block, const float* values) {
  const float before = args.highest[row];
  const float highest = before > block.highest ? before : block.highest;
  const float keep = exponential(before - highest), take = exponential(block.highest - highest);
  args.highest[row] = highest;
  args.denominator[row] = args.denominator[row] * keep + block.sum * take;
  float* sum = args.values_sum + row * kHeadDim;
  for (int d = 0; d < kHeadDim; d += kLanes)
    store(sum + d, fma(load(values + d), broadcast(take), mul(load(sum + d), broadcast(keep))));
}

template <int kRows>
void attend_rows(const KeyBlockArgs& args, int row, KeyRange range) {
  KeyBlockScratch& s = *args.scratch;
  score_rows<kRows>(args, row, range);
  BlockSoftmax softmax[kRows];
  for (int r = 0; r < kRows; ++r)
    softmax[r] = softmax_row(s.weights[row + r], args.first[row + r], args.end[row + r], range);
  float values[kRows * kHeadDim];
  for (int r = 0; r < kRows; r += kValueRows)
    sum_values<kValueRows>(s, row + r, seen_by_rows<kValueRows>(args, row + r),
                           values + r * kHeadDim);
  for (int r = 0; r < kRows; ++r)
    if (args.first[row + r] < args.end[row + r])
      merge(args, row + r, softmax[r], values + r * kHeadDim);
}

void attend_block(const KeyBlockArgs& args) {
  const KeyRange range = keys_seen(args);
  if (range.begin >= range.end) return;
  load_block(args, range);
  for (int row = 0; row < args.n_rows; row += kScoreRows) attend_rows<kScoreRows>(args, row, range);
  static_assert(gptoss::kQueryGroup % kScoreRows == 0 && kScoreRows % kValueRows == 0);
}

}  // namespace

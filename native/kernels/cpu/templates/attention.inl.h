// Attention of up to 64 query rows over one block of keys. Included by the ISA spines only.
//
// Scores and softmax have a lane for each query row, so that nothing is summed across lanes; values
// have a lane for each dimension. Every score is a sum over ascending dimensions, all else one over
// ascending keys, and blocks come in order: what a row gets depends on its position alone.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/templates/vector_math.inl.h"

namespace {

using gptoss::kHeadDim;
using gptoss::kPageTokens;
using gptoss::kernels::cpu::KeyBlockArgs;
using gptoss::kernels::cpu::KeyBlockScratch;
using gptoss::kernels::cpu::kKeyBlock;
using gptoss::kernels::cpu::kQueryRows;

constexpr int kHeadVectors = kHeadDim / kLanes;
static_assert(kPageTokens % kScoreKeys == 0 && kPageTokens % kScoreKeysAlone == 0);
static_assert(gptoss::kQueryGroup % kValueRows == 0);

struct KeyRange {
  int begin, end;

  // The part within a page, counted from its beginning.
  KeyRange within(int page) const {
    const int start = page * kPageTokens;
    return {begin > start ? begin - start : 0,
            end < start + kPageTokens ? end - start : kPageTokens};
  }
};

// The keys that any of the rows sees. Rows of one token see the same, so that no value is read for
// it that it does not see: a NaN times a weight of zero would be a NaN.
inline KeyRange keys_seen(const KeyBlockArgs& args, int first_row, int n_rows) {
  KeyRange seen{kKeyBlock, 0};
  for (int r = first_row; r < first_row + n_rows; ++r) {
    if (args.end[r] <= args.first[r]) continue;
    seen.begin = args.first[r] < seen.begin ? args.first[r] : seen.begin;
    seen.end = args.end[r] > seen.end ? args.end[r] : seen.end;
  }
  return seen;
}

// Halves of a page to floats; what is outside of the range stays as it is.
inline void load_page(const uint16_t* halves, KeyRange range, float (*out)[kHeadDim]) {
  for (int key = range.begin; key < range.end; ++key)
    for (int d = 0; d < kHeadDim; d += kLanes)
      store(&out[key][d], load_half(halves + key * kHeadDim + d));
}

// keys: (kKeys, 64); queries: (64, kQueryRows) and weights: (kKeys, kQueryRows), from the tile's
// first row.
template <int kKeys, int kVectors>
inline void score_tile(const float (*keys)[kHeadDim], const float* queries, float* weights) {
  Floats scores[kKeys][kVectors];
  for (int k = 0; k < kKeys; ++k)
    for (int v = 0; v < kVectors; ++v) scores[k][v] = broadcast(0.0f);
  for (int d = 0; d < kHeadDim; ++d) {
    Floats query[kVectors];
    for (int v = 0; v < kVectors; ++v) query[v] = load(queries + d * kQueryRows + v * kLanes);
    for (int k = 0; k < kKeys; ++k) {
      const Floats key = broadcast(keys[k][d]);
      for (int v = 0; v < kVectors; ++v) scores[k][v] = fma(query[v], key, scores[k][v]);
    }
  }
  for (int k = 0; k < kKeys; ++k)
    for (int v = 0; v < kVectors; ++v) store(weights + k * kQueryRows + v * kLanes, scores[k][v]);
}

// Whole tiles: scores of keys outside of the range mean nothing.
template <int kKeys, int kVectors>
inline void score_page(KeyBlockScratch& s, const float* queries, int page, KeyRange range,
                       int row) {
  for (int key = range.begin / kKeys * kKeys; key < range.end; key += kKeys)
    score_tile<kKeys, kVectors>(s.page + key, queries + row,
                                &s.weights[page * kPageTokens + key][row]);
}

void score(const KeyBlockArgs& args, int page, KeyRange range) {
  KeyBlockScratch& s = *args.scratch;
  load_page(args.keys[page], range, s.page);
  constexpr int kRows = kScoreVectors * kLanes;
  int row = 0;
  for (; row + kRows <= args.n_rows; row += kRows)
    score_page<kScoreKeys, kScoreVectors>(s, args.queries, page, range, row);
  for (; row < args.n_rows; row += kLanes)
    score_page<kScoreKeysAlone, 1>(s, args.queries, page, range, row);
}

// Scores of 16 rows to weights relative to the highest so far.
void softmax(const KeyBlockArgs& args, KeyRange range, int row) {
  KeyBlockScratch& s = *args.scratch;
  const Ints first = load_int(args.first + row), end = load_int(args.end + row);
  const Floats before = load(args.highest + row);
  Floats highest = before;
  for (int key = range.begin; key < range.end; ++key)
    highest =
        max(highest, keep_between(load(&s.weights[key][row]), first, end, key, -__builtin_inff()));
  Floats sum = broadcast(0.0f);
  for (int key = range.begin; key < range.end; ++key) {
    const Floats weight = exponential(sub(load(&s.weights[key][row]), highest));
    const Floats seen = keep_between(weight, first, end, key, 0.0f);
    store(&s.weights[key][row], seen);
    sum = add(sum, seen);
  }
  const Floats keep = exponential(sub(before, highest));
  store(args.highest + row, highest);
  store(args.denominator + row, fma(load(args.denominator + row), keep, sum));
  store(s.keep + row, keep);
}

// Adds weighted values of a page to the sums of kValueRows rows.
inline void sum_values(const KeyBlockArgs& args, int page, KeyRange range, int row) {
  const KeyBlockScratch& s = *args.scratch;
  float* const out = args.values_sum + row * kHeadDim;
  Floats sums[kValueRows][kHeadVectors];
  for (int r = 0; r < kValueRows; ++r)
    for (int v = 0; v < kHeadVectors; ++v) sums[r][v] = load(out + r * kHeadDim + v * kLanes);
  for (int key = range.begin; key < range.end; ++key) {
    Floats values[kHeadVectors];
    for (int v = 0; v < kHeadVectors; ++v) values[v] = load(&s.page[key][v * kLanes]);
    for (int r = 0; r < kValueRows; ++r) {
      const Floats weight = broadcast(s.weights[page * kPageTokens + key][row + r]);
      for (int v = 0; v < kHeadVectors; ++v) sums[r][v] = fma(values[v], weight, sums[r][v]);
    }
  }
  for (int r = 0; r < kValueRows; ++r)
    for (int v = 0; v < kHeadVectors; ++v) store(out + r * kHeadDim + v * kLanes, sums[r][v]);
}

void rescale(const KeyBlockArgs& args) {
  for (int r = 0; r < args.n_rows; ++r) {
    const Floats keep = broadcast(args.scratch->keep[r]);
    float* const sums = args.values_sum + r * kHeadDim;
    for (int d = 0; d < kHeadDim; d += kLanes) store(sums + d, mul(load(sums + d), keep));
  }
}

void attend_block(const KeyBlockArgs& args) {
  const KeyRange seen = keys_seen(args, 0, args.n_rows);
  if (seen.begin >= seen.end) return;
  const int first_page = seen.begin / kPageTokens, last_page = (seen.end - 1) / kPageTokens;
  for (int page = first_page; page <= last_page; ++page) score(args, page, seen.within(page));
  for (int row = 0; row < args.n_rows; row += kLanes) softmax(args, seen, row);
  rescale(args);
  for (int page = first_page; page <= last_page; ++page) {
    load_page(args.values[page], seen.within(page), args.scratch->page);
    for (int row = 0; row < args.n_rows; row += kValueRows)
      sum_values(args, page, keys_seen(args, row, kValueRows).within(page), row);
  }
}

}  // namespace

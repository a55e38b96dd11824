// Attention of up to 64 query rows over a page of keys, in 16-bit integers. Included by the ISA
// spines only.
//
// Products of a query with a key, and of 64 weights with values, are sums of integers, thus exact.
// A weight comes with its value's scale, and is relative to the page's highest such before it is
// rounded, in steps of 1/2891 (64 equal weights) to 1/32767 (one). Pages are added in float32, in
// ascending order. What a row gets depends on its position alone.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/templates/vector_math.inl.h"

namespace {

using gptoss::kHeadDim;
using gptoss::kPageTokens;
using gptoss::kernels::cpu::AttendPageArgs;
using gptoss::kernels::cpu::AttendPageScratch;
using gptoss::kernels::cpu::HeadPage;
using gptoss::kernels::cpu::kLargestInt16;
using gptoss::kernels::cpu::kQueryRows;
using gptoss::kernels::cpu::kWeightsSum;

constexpr int kHeadVectors = kHeadDim / kLanes;
static_assert(kPageTokens % kScoreKeys == 0 && kPageTokens % kScoreKeysAlone == 0);
static_assert(gptoss::kQueryGroup % kValueRows == 0);

// Keys of the page, an even number of them, beginning at an even one.
struct KeyRange {
  int begin, end;
};

// The keys that any of the rows sees.
inline KeyRange keys_seen(const AttendPageArgs& args) {
  KeyRange seen{kPageTokens, 0};
  for (int r = 0; r < args.n_rows; ++r) {
    if (args.end[r] <= args.first[r]) continue;
    seen.begin = args.first[r] < seen.begin ? args.first[r] : seen.begin;
    seen.end = args.end[r] > seen.end ? args.end[r] : seen.end;
  }
  return {seen.begin / 2 * 2, (seen.end + 1) / 2 * 2};
}

inline int32_t pair_at(const int16_t* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return pair;
}
inline Ints load_pairs(const int16_t* p) { return load_int(reinterpret_cast<const int32_t*>(p)); }

// Scores of kKeys keys for kVectors x 16 rows, without the scales of the queries.
template <int kKeys, int kVectors>
inline void score_tile(const AttendPageArgs& args, int key, int row) {
  Ints sums[kKeys][kVectors];
  for (int k = 0; k < kKeys; ++k)
    for (int v = 0; v < kVectors; ++v) sums[k][v] = broadcast_int(0);
  for (int d = 0; d < kHeadDim; d += 2) {
    Ints query[kVectors];
    for (int v = 0; v < kVectors; ++v)
      query[v] = load_pairs(args.queries + d * kQueryRows + 2 * (row + v * kLanes));
    for (int k = 0; k < kKeys; ++k) {
      const Ints pair = broadcast_int(pair_at(&args.page->keys[key + k][d]));
      for (int v = 0; v < kVectors; ++v) sums[k][v] = dot_pairs(sums[k][v], query[v], pair);
    }
  }
  for (int k = 0; k < kKeys; ++k) {
    const Floats scale = broadcast(args.page->key_scales[key + k]);
    for (int v = 0; v < kVectors; ++v)
      store(&args.scratch->scores[key + k][row + v * kLanes], mul(to_float(sums[k][v]), scale));
  }
}

// Whole tiles: scores of keys outside of the range mean nothing.
template <int kKeys, int kVectors>
inline void score_rows(const AttendPageArgs& args, KeyRange seen, int row) {
  for (int key = seen.begin / kKeys * kKeys; key < seen.end; key += kKeys)
    score_tile<kKeys, kVectors>(args, key, row);
}

// What 16 rows see of a range: all of it, or some.
struct SeesAll {
  Floats keep(Floats x, int, float) const { return x; }
};
struct SeesSome {
  Ints first, end;
  Floats keep(Floats x, int key, float otherwise) const {
    return keep_between(x, first, end, key, otherwise);
  }
};

// Scores of 16 rows to weights.
template <class Seen>
void softmax(const AttendPageArgs& args, const Seen& seen, KeyRange range, int row) {
  AttendPageScratch& s = *args.scratch;
  const Floats query_scale = load(args.query_scales + row);
  Floats highest = broadcast(-__builtin_inff());
  for (int key = range.begin; key < range.end; ++key) {
    float* const at = &s.scores[key][row];
    const Floats exponent = broadcast(args.page->value_exponents[key]);
    const Floats score = seen.keep(fma(load(at), query_scale, exponent), key, -__builtin_inff());
    store(at, score);
    highest = max(highest, score);
  }
  Floats total = broadcast(0.0f), sum = broadcast(0.0f);  // of weights with and without the scales
  for (int key = range.begin; key < range.end; ++key) {
    float* const at = &s.scores[key][row];
    const Floats weight = seen.keep(power_of_two(sub(load(at), highest)), key, 0.0f);
    store(at, weight);
    total = add(total, weight);
    sum = fma(weight, broadcast(s.of_one[key]), sum);
  }
  const Floats steps = min(broadcast(kLargestInt16), div(broadcast(kWeightsSum), total));
  for (int key = range.begin; key < range.end; key += 2) {
    const Ints even = to_int(mul(load(&s.scores[key][row]), steps));
    const Ints odd = to_int(mul(load(&s.scores[key + 1][row]), steps));
    store_pairs(&s.weights[key / 2][row][0], even, odd);
  }
  const Floats before = load(args.highest + row), after = max(before, highest);
  const Floats keep = power_of_two(sub(before, after));
  const Floats share = power_of_two(sub(highest, after));
  store(args.highest + row, after);
  store(args.denominator + row, fma(load(args.denominator + row), keep, mul(sum, share)));
  store(s.keep + row, keep);
  store(s.unit + row, div(share, steps));
}

// Adds the page's weighted values to the sums of kValueRows rows.
inline void sum_values(const AttendPageArgs& args, KeyRange seen, int row) {
  const AttendPageScratch& s = *args.scratch;
  Ints sums[kValueRows][kHeadVectors];
  for (int r = 0; r < kValueRows; ++r)
    for (int v = 0; v < kHeadVectors; ++v) sums[r][v] = broadcast_int(0);
  for (int pair = seen.begin / 2; pair < seen.end / 2; ++pair) {
    Ints values[kHeadVectors];
    for (int v = 0; v < kHeadVectors; ++v)
      values[v] = load_pairs(&args.page->values[pair][v * kLanes][0]);
    for (int r = 0; r < kValueRows; ++r) {
      const Ints weights = broadcast_int(pair_at(s.weights[pair][row + r]));
      for (int v = 0; v < kHeadVectors; ++v) sums[r][v] = dot_pairs(sums[r][v], values[v], weights);
    }
  }
  for (int r = 0; r < kValueRows; ++r) {
    const Floats keep = broadcast(s.keep[row + r]), unit = broadcast(s.unit[row + r]);
    float* const out = args.values_sum + (row + r) * kHeadDim;
    for (int v = 0; v < kHeadVectors; ++v)
      store(out + v * kLanes, fma(load(out + v * kLanes), keep, mul(to_float(sums[r][v]), unit)));
  }
}

inline bool all_see(const AttendPageArgs& args, KeyRange range, int row) {
  bool all = true;
  for (int r = row; r < row + kLanes; ++r)
    all = all && args.first[r] <= range.begin && args.end[r] >= range.end;
  return all;
}

void attend_page(const AttendPageArgs& args) {
  const KeyRange range = keys_seen(args);
  if (range.begin >= range.end) return;
  for (int key = 0; key < kPageTokens; key += kLanes) {
    const Floats exponents = load(args.page->value_exponents + key);
    store(args.scratch->of_one + key, power_of_two(to_int(mul(exponents, broadcast(-1.0f)))));
  }
  constexpr int kRows = kScoreVectors * kLanes;
  // All of it for some rows while their scores and weights are in the nearest cache.
  for (int first = 0; first < args.n_rows; first += kRows) {
    const bool is_whole = first + kRows <= args.n_rows;
    const int end = is_whole ? first + kRows : args.n_rows;
    if (is_whole) score_rows<kScoreKeys, kScoreVectors>(args, range, first);
    for (int row = first; row < end; row += kLanes) {
      if (!is_whole) score_rows<kScoreKeysAlone, 1>(args, range, row);
      if (all_see(args, range, row))
        softmax(args, SeesAll{}, range, row);
      else
        softmax(args, SeesSome{load_int(args.first + row), load_int(args.end + row)}, range, row);
    }
    for (int row = first; row < end; row += kValueRows) sum_values(args, range, row);
  }
}

}  // namespace

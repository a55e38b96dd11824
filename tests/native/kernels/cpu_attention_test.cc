// Attention over one block of keys: against the formula, and all instruction sets to the bit.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "kernels/cpu/kernel_table.h"
#include "quant/codec.h"
#include "testing.h"

using namespace gptoss;
using namespace gptoss::kernels::cpu;

namespace {

constexpr int kPages = kKeyBlock / kPageTokens, kPageValues = kPageTokens * kHeadDim;

// Random keys, values and queries; what a row sees is set by the test.
struct Block {
  explicit Block(int rows) : n_rows(rows), first(kQueryRows), end(kQueryRows) {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (auto* halves : {&keys, &values}) {
      halves->resize(static_cast<size_t>(kPages * kPageValues));
      for (uint16_t& half : *halves) half = quant::float_to_half(normal(random));
    }
    queries.resize(static_cast<size_t>(n_rows * kHeadDim));
    for (float& value : queries) value = normal(random) / 8;
  }

  // Softmax state after the block; `before`: the sinks.
  struct State {
    std::vector<float> highest, denominator, sums;
    bool operator==(const State&) const = default;
  };
  State attend(const KernelTable& kernels, float sink = 0.5f) const {
    State state{std::vector<float>(kQueryRows, sink), std::vector<float>(kQueryRows, 1.0f),
                std::vector<float>(static_cast<size_t>(n_rows * kHeadDim))};
    KeyBlockArgs args{.n_rows = n_rows, .first = first.data(), .end = end.data()};
    for (int page = 0; page < kPages; ++page) {
      args.keys[page] = keys.data() + page * kPageValues;
      args.values[page] = values.data() + page * kPageValues;
    }
    std::vector<float> transposed(static_cast<size_t>(kHeadDim * kQueryRows));
    for (int r = 0; r < n_rows; ++r)
      for (int d = 0; d < kHeadDim; ++d)
        transposed[static_cast<size_t>(d * kQueryRows + r)] =
            queries[static_cast<size_t>(r * kHeadDim + d)];
    const auto scratch = std::make_unique<KeyBlockScratch>();
    args.queries = transposed.data();
    args.highest = state.highest.data();
    args.denominator = state.denominator.data();
    args.values_sum = state.sums.data();
    args.scratch = scratch.get();
    kernels.attend_block(args);
    return state;
  }

  double score(int r, int key) const {
    double sum = 0;
    for (int d = 0; d < kHeadDim; ++d)
      sum += double{queries[static_cast<size_t>(r * kHeadDim + d)]} *
             quant::half_to_float(keys[static_cast<size_t>(key * kHeadDim + d)]);
    return sum;
  }

  int n_rows;
  std::vector<uint16_t> keys, values;
  std::vector<float> queries;
  std::vector<int32_t> first, end;
};

Block triangle(int n_rows) {
  Block block(n_rows);
  for (int r = 0; r < n_rows; ++r) {
    const auto at = static_cast<size_t>(r);
    const int first = r % 3 == 0 ? 0 : 5 * r % 200;
    block.first[at] = first;
    block.end[at] = r % 7 == 6 ? first : std::min(kKeyBlock, first + 1 + 9 * r % 90);
  }
  return block;
}

}  // namespace

TEST(a_block_is_the_softmax_over_what_a_row_sees) {
  const Block block = triangle(24);
  const auto state = block.attend(kScalarKernels);
  for (int r = 0; r < block.n_rows; ++r) {
    const auto row = static_cast<size_t>(r);
    double denominator = std::exp(0.5), sums[kHeadDim] = {};
    for (int key = block.first[row]; key < block.end[row]; ++key) {
      const double weight = std::exp(block.score(r, key));
      denominator += weight;
      for (int d = 0; d < kHeadDim; ++d)
        sums[d] +=
            weight * quant::half_to_float(block.values[static_cast<size_t>(key * kHeadDim + d)]);
    }
    for (int d = 0; d < kHeadDim; ++d)
      CHECK(std::fabs(state.sums[row * kHeadDim + static_cast<size_t>(d)] / state.denominator[row] -
                      sums[d] / denominator) < 2e-6);
  }
}

TEST(a_row_that_sees_nothing_stays_as_it_is) {
  Block block(8);
  block.end[0] = 40;
  constexpr float kNoSink = std::numeric_limits<float>::lowest();
  for (const KernelTable* kernels : supported_kernels("int8")) {
    const auto state = block.attend(*kernels, kNoSink);
    CHECK(state.highest[0] > kNoSink);
    for (size_t row = 1; row < 8; ++row) {
      CHECK_EQ(state.highest[row], kNoSink);
      CHECK_EQ(state.denominator[row], 1.0f);
      CHECK_EQ(state.sums[row * kHeadDim], 0.0f);
    }
  }
}

TEST(a_row_does_not_depend_on_its_neighbours_nor_on_the_instruction_set) {
  const Block all = triangle(kQueryRows);
  const auto expected = all.attend(kScalarKernels);
  for (const KernelTable* kernels : supported_kernels("int8")) {
    CHECK(all.attend(*kernels) == expected);
    for (int r = 0; r < kQueryRows; ++r) {
      const auto row = static_cast<size_t>(r);
      Block alone(8);  // the other rows see nothing
      alone.keys = all.keys, alone.values = all.values;
      std::copy_n(&all.queries[row * kHeadDim], kHeadDim, &alone.queries[3 * kHeadDim]);
      alone.first[3] = all.first[row], alone.end[3] = all.end[row];
      const auto state = alone.attend(*kernels);
      CHECK_EQ(state.denominator[3], expected.denominator[row]);
      CHECK(std::equal(&state.sums[3 * kHeadDim], &state.sums[4 * kHeadDim],
                       &expected.sums[row * kHeadDim]));
    }
  }
}

TEST(what_stands_behind_the_last_key_is_not_read) {
  Block block(16);
  for (int r = 0; r < 16; ++r) block.end[static_cast<size_t>(r)] = 20 + r % 9;
  const auto expected = block.attend(kScalarKernels);
  std::fill(block.keys.begin() + 28 * kHeadDim, block.keys.end(), uint16_t{0x7E00});  // NaN
  std::fill(block.values.begin() + 28 * kHeadDim, block.values.end(), uint16_t{0x7E00});
  for (const KernelTable* kernels : supported_kernels("int8"))
    CHECK(block.attend(*kernels) == expected);
}

TEST(a_key_that_a_row_does_not_see_may_be_anything) {
  const Block clean = triangle(kQueryRows);
  Block block = clean;
  for (int r = 0; r < kQueryRows; ++r) {  // as in the device, the 8 rows of a token see the same
    const auto row = static_cast<size_t>(r), first_of_token = static_cast<size_t>(r / 8 * 8);
    block.first[row] = clean.first[first_of_token];
    block.end[row] = clean.end[first_of_token];
  }
  const auto expected = block.attend(kScalarKernels);
  for (int token = 0; token < kQueryRows / 8; ++token) {
    const auto row = static_cast<size_t>(token * 8);
    Block broken = block;
    for (int key = 0; key < kKeyBlock; ++key)
      if (key < block.first[row] || key >= block.end[row]) {
        std::fill_n(&broken.keys[static_cast<size_t>(key) * kHeadDim], kHeadDim, uint16_t{0x7E00});
        std::fill_n(&broken.values[static_cast<size_t>(key) * kHeadDim], kHeadDim,
                    uint16_t{0x7E00});
      }
    for (const KernelTable* kernels : supported_kernels("int8")) {
      const auto state = broken.attend(*kernels);
      for (size_t r = row; r < row + 8; ++r) {
        CHECK_EQ(state.denominator[r], expected.denominator[r]);
        CHECK(std::equal(&state.sums[r * kHeadDim], &state.sums[r * kHeadDim] + kHeadDim,
                         &expected.sums[r * kHeadDim]));
      }
    }
  }
}

// Attention over a page of keys: against the formula, and all instruction sets to the bit.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "kernels/cpu/kernel_table.h"
#include "testing.h"

using namespace gptoss;
using namespace gptoss::kernels::cpu;

namespace {

using Head = std::array<float, kHeadDim>;

// Random keys, values and queries; what a row sees is set by the test.
struct Page {
  explicit Page(int rows, float sharpness = 1) : n_rows(rows), first(kQueryRows), end(kQueryRows) {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<Head>& heads, size_t n, float size) {
      heads.resize(n);
      for (Head& head : heads)
        for (float& x : head) x = size * normal(random);
    };
    fill(keys, kPageTokens, 1);
    fill(values, kPageTokens, 1);
    // Tokens of very different size.
    for (size_t token = 0; token < kPageTokens; token += 5)
      for (float& x : values[token]) x *= 0x1p-9f;
    fill(queries, static_cast<size_t>(n_rows), sharpness / 8 * 1.4427f);
  }

  // Softmax state after the page; `sink`: that of all rows, in powers of two.
  struct State {
    std::vector<float> highest, denominator, sums;
    bool operator==(const State&) const = default;

    const float* sums_of(size_t row) const { return &sums[row * kHeadDim]; }
  };
  State start(float sink = 0.5f) const {
    return {std::vector<float>(kQueryRows, sink), std::vector<float>(kQueryRows, 1.0f),
            std::vector<float>(static_cast<size_t>(n_rows * kHeadDim))};
  }
  State attend(const KernelTable& kernels) const { return attend(kernels, start()); }
  State attend(const KernelTable& kernels, State state) const {
    const auto page = std::make_unique<HeadPage>();
    for (size_t token = 0; token < kPageTokens; ++token) {
      int16_t value[kHeadDim];
      page->key_scales[token] = kernels.quantize_head(keys[token].data(), page->keys[token]);
      page->value_exponents[token] = kernels.quantize_value(values[token].data(), value);
      for (int d = 0; d < kHeadDim; ++d) page->values[token / 2][d][token % 2] = value[d];
    }
    std::vector<int16_t> pairs(size_t{kHeadDim} * kQueryRows, int16_t{77});
    std::vector<float> scales(kQueryRows, 0.1f);
    for (size_t r = 0; r < queries.size(); ++r) {
      int16_t query[kHeadDim];
      scales[r] = kernels.quantize_head(queries[r].data(), query);
      for (size_t d = 0; d < kHeadDim; ++d) pairs[(d / 2 * kQueryRows + r) * 2 + d % 2] = query[d];
    }
    const auto scratch = std::make_unique<AttendPageScratch>();
    std::memset(static_cast<void*>(scratch.get()), 0x7F, sizeof *scratch);  // of an earlier page
    kernels.attend_page({.page = page.get(),
                         .n_rows = n_rows,
                         .queries = pairs.data(),
                         .query_scales = scales.data(),
                         .first = first.data(),
                         .end = end.data(),
                         .highest = state.highest.data(),
                         .denominator = state.denominator.data(),
                         .values_sum = state.sums.data(),
                         .scratch = scratch.get()});
    std::fill(state.highest.begin() + n_rows, state.highest.end(), 0.0f);
    std::fill(state.denominator.begin() + n_rows, state.denominator.end(), 0.0f);
    return state;
  }

  double score(size_t row, size_t key) const {
    double sum = 0;
    for (size_t d = 0; d < kHeadDim; ++d) sum += double{queries[row][d]} * keys[key][d];
    return sum;
  }

  int n_rows;
  std::vector<Head> keys, values, queries;
  std::vector<int32_t> first, end;
};

Page triangle(int n_rows, float sharpness = 1) {
  Page page(n_rows, sharpness);
  for (int r = 0; r < n_rows; ++r) {
    const auto at = static_cast<size_t>(r);
    const int first = r % 3 == 0 ? 0 : 5 * r % 50;
    page.first[at] = first;
    page.end[at] = r % 7 == 6 ? first : std::min<int>(kPageTokens, first + 1 + 9 * r % 90);
  }
  return page;
}

Page whole(int n_rows, float sharpness = 1) {
  Page page(n_rows, sharpness);
  std::fill(page.end.begin(), page.end.end(), kPageTokens);
  return page;
}

// The largest error of an output, relative to the sum of the sizes of what it is made of.
double error_of_softmax(const Page& page) {
  const auto state = page.attend(kScalarKernels);
  double error = 0;
  for (size_t row = 0; row < page.queries.size(); ++row) {
    double denominator = std::exp2(0.5), sums[kHeadDim] = {}, size = 1e-3;
    for (auto key = static_cast<size_t>(page.first[row]); key < static_cast<size_t>(page.end[row]);
         ++key) {
      const double weight = std::exp2(page.score(row, key));
      denominator += weight;
      float largest = 0;
      for (size_t d = 0; d < kHeadDim; ++d) {
        sums[d] += weight * page.values[key][d];
        largest = std::max(largest, std::fabs(page.values[key][d]));
      }
      size += weight * largest;
    }
    for (size_t d = 0; d < kHeadDim; ++d)
      error = std::max(
          error, std::fabs(state.sums_of(row)[d] / state.denominator[row] - sums[d] / denominator) /
                     (size / denominator));
  }
  return error;
}

}  // namespace

TEST(integers_of_16_bits_agree) {
  std::vector<float> x(64);
  std::mt19937 random(10);
  std::normal_distribution<float> normal(0, 100.0f);
  for (float& value : x) value = normal(random);
  x[3] = 0.0f, x[4] = -0.0f, x[5] = 1e-30f, x[6] = -450.0f;
  for (const float size : {1.0f, 1e-38f, 1e-25f, 1e-9f, 1e12f, 1e30f, 0.0f}) {
    std::vector<float> scaled(64);
    float largest = 0;
    for (size_t i = 0; i < 64; ++i) {
      scaled[i] = x[i] * size;
      largest = std::max(largest, std::fabs(scaled[i]));
    }
    std::vector<int16_t> head(64), value(64), out(64);
    const float scale = kScalarKernels.quantize_head(scaled.data(), head.data());
    const float exponent = kScalarKernels.quantize_value(scaled.data(), value.data());
    const float power = std::exp2(exponent);
    CHECK(exponent >= -40 && exponent <= 20);
    double norm = 0;
    for (size_t i = 0; i < 64; ++i) {
      norm += static_cast<double>(head[i]) * head[i];
      CHECK(std::abs(value[i]) <= 11585);
      CHECK(std::fabs(scale * head[i] - scaled[i]) <= 0.5001f * scale);
      const float nearest = std::clamp(scaled[i], -11585 * power, 11585 * power);
      CHECK(std::fabs(power * value[i] - nearest) <= 0.5001f * power);
    }
    CHECK(std::sqrt(norm) <= 46340);
    if (largest > 1e-30f) CHECK(std::sqrt(norm) >= 46332 || largest >= 32766 * scale);
    if (exponent > -40 && exponent < 20) CHECK(power <= 2.001f * largest / 11585);  // no bit wasted
    for (const KernelTable* kernels : supported_kernels("int8")) {
      CHECK_EQ(kernels->quantize_head(scaled.data(), out.data()), scale);
      CHECK(out == head);
      CHECK_EQ(kernels->quantize_value(scaled.data(), out.data()), exponent);
      CHECK(out == value);
    }
  }
  for (const float broken :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()})
    for (const size_t at : {size_t{0}, size_t{17}, size_t{63}}) {
      std::vector<float> with = x;
      with[at] = broken;
      std::vector<int16_t> out(64);
      for (const KernelTable* kernels : supported_kernels("int8")) {
        CHECK(std::isnan(kernels->quantize_head(with.data(), out.data())));
        CHECK(std::isnan(kernels->quantize_value(with.data(), out.data())));
      }
    }
}

TEST(a_page_is_the_softmax_over_what_a_row_sees) {
  // Keys and queries are rounded, too: an error of the score grows with it.
  for (const float sharpness : {0.1f, 1.0f, 4.0f})
    for (const Page& page : {triangle(24, sharpness), whole(24, sharpness)})
      CHECK(error_of_softmax(page) < 1.5e-4 + 2.5e-4 * sharpness);
}

// Weights are rounded in steps of the page's own highest, however low that is.
TEST(a_page_of_small_weights_is_as_precise) {
  const Page page = whole(16);
  auto low = page.start(60.0f), high = page.start(-60.0f);
  const auto small = page.attend(kScalarKernels, low), large = page.attend(kScalarKernels, high);
  for (size_t row = 0; row < 16; ++row)
    for (size_t d = 0; d < kHeadDim; ++d)
      CHECK(std::fabs(small.sums_of(row)[d] * std::exp2(60.0f - large.highest[row]) -
                      large.sums_of(row)[d]) < 2e-6f * std::fabs(large.sums_of(row)[d]) + 1e-7f);
}

// The sums so far count less when a page has higher scores, and more than one with lower ones.
TEST(pages_are_added) {
  for (const bool rising : {true, false}) {
    std::vector<Page> pages(3, whole(16));
    for (size_t p = 0; p < 3; ++p)
      for (size_t key = 0; key < kPageTokens; ++key)
        for (size_t d = 0; d < kHeadDim; ++d) {
          pages[p].keys[key][d] *= static_cast<float>(rising ? p + 1 : 3 - p);
          pages[p].values[key][d] += static_cast<float>(p);
        }
    for (const KernelTable* kernels : supported_kernels("int8")) {
      auto state = pages[0].start();
      for (const Page& page : pages) state = page.attend(*kernels, state);
      for (size_t row = 0; row < 16; ++row) {
        double denominator = std::exp2(0.5), sums[kHeadDim] = {};
        for (const Page& page : pages)
          for (size_t key = 0; key < kPageTokens; ++key) {
            const double weight = std::exp2(page.score(row, key));
            denominator += weight;
            for (size_t d = 0; d < kHeadDim; ++d) sums[d] += weight * page.values[key][d];
          }
        for (size_t d = 0; d < kHeadDim; ++d)
          CHECK(std::fabs(state.sums_of(row)[d] / state.denominator[row] - sums[d] / denominator) <
                2e-3);
      }
    }
  }
}

// One weight of nearly everything, and many small ones whose values point elsewhere.
TEST(a_tail_of_small_weights_counts) {
  Page page = whole(8);
  for (Head& query : page.queries) query.fill(0), query[0] = 1;
  for (size_t key = 0; key < kPageTokens; ++key) {
    page.keys[key].fill(0);
    page.keys[key][0] = key == 9 ? 0.0f : -12.0f;
    page.values[key].fill(0);
    page.values[key][key == 9 ? 3 : 4] = key == 9 ? 0.01f : 1.0f;
  }
  const double tail = 63 * std::exp2(-12), total = std::exp2(0.5) + 1 + tail;
  for (const KernelTable* kernels : supported_kernels("int8")) {
    const auto state = page.attend(*kernels);
    CHECK(std::fabs(state.sums_of(0)[3] / state.denominator[0] * total / 0.01 - 1) < 1e-3);
    CHECK(std::fabs(state.sums_of(0)[4] / state.denominator[0] * total / tail - 1) < 1e-3);
  }
}

// Everything as large as it can be, with one sign: sums just fit 32 bits.
TEST(the_largest_sums_fit) {
  for (const float sign : {1.0f, -1.0f}) {
    Page page = whole(8);
    for (Head& query : page.queries) query.fill(3.0f);
    for (Head& key : page.keys) key.fill(sign * 0.7f);
    for (Head& value : page.values)
      value.fill(sign * 1.4141f);  // just below a power of two of steps
    const double score = 64 * 3.0 * 0.7 * sign, weight = 64 * std::exp2(score);
    const double expected = sign * 1.4141 * weight / (weight + std::exp2(0.5));
    for (const KernelTable* kernels : supported_kernels("int8")) {
      const auto state = page.attend(*kernels);
      CHECK(std::fabs(state.sums_of(0)[5] / state.denominator[0] - expected) <=
            2e-3 * std::fabs(expected) + 1e-6);
    }
  }
}

TEST(a_row_that_sees_nothing_stays_as_it_is) {
  Page page(8);
  page.end[0] = 40;
  constexpr float kNoSink = std::numeric_limits<float>::lowest();
  for (const KernelTable* kernels : supported_kernels("int8")) {
    const auto state = page.attend(*kernels, page.start(kNoSink));
    CHECK(state.highest[0] > kNoSink);
    for (size_t row = 1; row < 8; ++row) {
      CHECK_EQ(state.highest[row], kNoSink);
      CHECK_EQ(state.denominator[row], 1.0f);
      CHECK_EQ(state.sums_of(row)[0], 0.0f);
    }
  }
}

TEST(a_row_does_not_depend_on_its_neighbours_nor_on_the_instruction_set) {
  for (const Page& all : {triangle(kQueryRows), whole(kQueryRows)}) {
    const auto expected = all.attend(kScalarKernels);
    for (const KernelTable* kernels : supported_kernels("int8")) {
      CHECK(all.attend(*kernels) == expected);
      for (size_t row = 0; row < kQueryRows; ++row) {
        Page alone(8);  // the other rows see nothing
        alone.queries[3] = all.queries[row];
        alone.first[3] = all.first[row], alone.end[3] = all.end[row];
        const auto state = alone.attend(*kernels);
        CHECK_EQ(state.denominator[3], expected.denominator[row]);
        CHECK(std::equal(state.sums_of(3), state.sums_of(3) + kHeadDim, expected.sums_of(row)));
      }
    }
  }
}

TEST(a_key_that_a_row_does_not_see_may_be_anything) {
  const Page page = triangle(kQueryRows);
  const auto expected = page.attend(kScalarKernels);
  for (size_t row = 0; row < kQueryRows; row += 5) {
    Page broken = page;
    for (int key = 0; key < kPageTokens; ++key)
      if (key < page.first[row] || key >= page.end[row]) {
        broken.keys[static_cast<size_t>(key)].fill(std::numeric_limits<float>::quiet_NaN());
        broken.values[static_cast<size_t>(key)].fill(std::numeric_limits<float>::infinity());
      }
    for (const KernelTable* kernels : supported_kernels("int8")) {
      const auto state = broken.attend(*kernels);
      CHECK_EQ(state.denominator[row], expected.denominator[row]);
      CHECK(std::equal(state.sums_of(row), state.sums_of(row) + kHeadDim, expected.sums_of(row)));
    }
  }
}

TEST(a_key_without_a_number_reaches_those_that_see_it) {
  Page page = triangle(kQueryRows);
  for (auto* heads : {&page.keys, &page.values}) {
    const Head before = (*heads)[30];
    (*heads)[30][5] = std::numeric_limits<float>::quiet_NaN();
    for (const KernelTable* kernels : supported_kernels("int8")) {
      const auto state = page.attend(*kernels);
      for (size_t row = 0; row < kQueryRows; ++row)
        CHECK_EQ(std::isnan(state.denominator[row]), page.first[row] <= 30 && 30 < page.end[row]);
    }
    (*heads)[30] = before;
  }
}

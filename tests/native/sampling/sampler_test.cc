#include "sampling/sampler.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "sampling/philox.h"
#include "testing.h"

using namespace gptoss::sampling;

namespace {

// A row with everything at its default.
struct Fixture {
  std::vector<float> logits;
  Params params;
  std::vector<std::pair<int32_t, float>> bias;
  std::vector<uint32_t> mask;
  std::vector<int32_t> prompt, output;
  uint64_t position = 0;
  std::vector<std::pair<int32_t, float>> top;

  Choice choose() {
    Scratch scratch(static_cast<int32_t>(logits.size()));
    return choose(scratch);
  }
  Choice choose(Scratch& scratch) {
    top.resize(static_cast<size_t>(std::max(0, params.top_logprobs)));
    return gptoss::sampling::choose({logits, &params, bias, mask, prompt, output, position},
                                    scratch, top);
  }
  // Shares of each token over many positions.
  std::vector<double> frequencies(int n_draws) {
    Scratch scratch(static_cast<int32_t>(logits.size()));
    std::vector<double> share(logits.size());
    for (int draw = 0; draw < n_draws; ++draw) {
      position = static_cast<uint64_t>(draw);
      share[static_cast<size_t>(choose(scratch).token)] += 1;
    }
    for (double& count : share) count /= n_draws;
    return share;
  }
};

void check_near(double a, double b, double tolerance) { CHECK(std::abs(a - b) <= tolerance); }

constexpr int kDraws = 20000;
constexpr double kTolerance =
    0.015;  // more than four standard deviations of a share over kDraws draws

}  // namespace

TEST(philox_matches_the_published_vectors) {
  CHECK((philox4x32({0, 0, 0, 0}, {0, 0}) ==
         std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  CHECK((philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) ==
         std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK((philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
         std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(uniform_is_in_range_and_uniform) {
  double sum = 0;
  for (uint64_t position = 0; position < 10000; ++position) {
    const double u = uniform(7, 0, position);
    CHECK(u >= 0 && u < 1);
    sum += u;
  }
  check_near(sum / 10000, 0.5, 0.012);
}

TEST(uniform_has_these_very_values) {
  // From another implementation of the paper. Seeds that users keep depend on them, on every
  // device.
  CHECK_EQ(uniform(0, 0, 0), 0x1.989fa35785a70p-2);
  CHECK_EQ(uniform(0x123456789abcdef0, 3, 70000), 0x1.3428daf833fd6p-1);
  CHECK_EQ(uniform(1, 0, (uint64_t{1} << 40) + 5), 0x1.acad1935325b4p-2);
}

TEST(a_draw_depends_on_seed_completion_and_position_only) {
  Fixture a{.logits = std::vector<float>(50, 0.0f)};
  a.params.seed = 3;
  a.position = 9;
  const int32_t token = a.choose().token;
  CHECK_EQ(a.choose().token, token);
  int n_changed[3] = {};
  for (uint32_t other = 1; other <= 20; ++other) {
    Fixture seed = a, completion = a, position = a;
    seed.params.seed += other;
    completion.params.completion_index = other;
    position.position += other;
    n_changed[0] += seed.choose().token != token;
    n_changed[1] += completion.choose().token != token;
    n_changed[2] += position.choose().token != token;
  }
  for (const int n : n_changed) CHECK(n >= 15);
}

TEST(greedy_takes_the_best_and_the_lower_id_of_equals) {
  Fixture f{.logits = {1, 5, 2, 5}};
  f.params.temperature = 0;
  CHECK_EQ(f.choose().token, 1);
}

TEST(draws_follow_the_softmax) {
  Fixture f{.logits = {0.0f, std::log(2.0f), std::log(5.0f)}};
  const auto share = f.frequencies(kDraws);
  check_near(share[0], 0.125, kTolerance);
  check_near(share[1], 0.25, kTolerance);
  check_near(share[2], 0.625, kTolerance);
}

TEST(temperature_sharpens_and_flattens) {
  Fixture f{.logits = {0.0f, std::log(4.0f)}};
  f.params.temperature = 0.5f;
  check_near(f.frequencies(kDraws)[1], 16.0 / 17, kTolerance);
  f.params.temperature = 2.0f;
  check_near(f.frequencies(kDraws)[1], 2.0 / 3, kTolerance);
}

TEST(top_k_keeps_the_k_best) {
  Fixture f{.logits = {3, 1, 2, 0}};
  f.params.top_k = 2;
  const auto share = f.frequencies(kDraws);
  CHECK_EQ(share[1], 0.0);
  CHECK_EQ(share[3], 0.0);
  check_near(share[0], std::exp(1) / (std::exp(1) + 1), kTolerance);
}

TEST(top_p_keeps_the_smallest_set_that_reaches_it) {
  Fixture f{.logits = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)}};
  f.params.top_p = 0.7f;
  auto share = f.frequencies(kDraws);
  CHECK_EQ(share[2] + share[3], 0.0);
  check_near(share[0], 0.5 / 0.8, kTolerance);
  f.params.top_p = 0.001f;  // the best token always stays
  CHECK_EQ(f.frequencies(100)[0], 1.0);
}

TEST(top_p_is_a_share_of_what_top_k_kept) {
  Fixture f{.logits = {std::log(0.4f), std::log(0.3f), std::log(0.2f), std::log(0.1f)}};
  f.params.top_k = 2;
  f.params.top_p = 0.55f;  // 0.4 / 0.7 = 0.57 of the kept two already
  CHECK_EQ(f.frequencies(200)[0], 1.0);
}

TEST(min_p_is_relative_to_the_best) {
  Fixture f{.logits = {std::log(0.6f), std::log(0.31f), std::log(0.09f)}};
  f.params.min_p = 0.5f;
  const auto share = f.frequencies(kDraws);
  CHECK_EQ(share[2], 0.0);
  check_near(share[1], 0.31 / 0.91, kTolerance);
}

TEST(a_large_flat_vocabulary_is_walked_to_its_end) {
  Fixture f{.logits = std::vector<float>(5000, 0.0f)};
  Scratch scratch(5000);
  int n_beyond = 0;
  for (f.position = 0; f.position < 300; ++f.position) n_beyond += f.choose(scratch).token >= 2500;
  CHECK(n_beyond > 100 && n_beyond < 200);
}

TEST(the_walk_is_the_sorted_order) {
  // Against a plain implementation: full sort, cumulative sum, first above the draw.
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 3);
  Fixture f{.logits = std::vector<float>(1000)};
  for (float& logit : f.logits) logit = std::round(normal(random) * 4) / 4;  // with many ties
  std::vector<int32_t> order(1000);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return f.logits[a] > f.logits[b]; });
  double total = 0;
  for (const float logit : f.logits)
    total += std::exp(static_cast<double>(logit) - f.logits[order[0]]);
  Scratch scratch(1000);
  for (f.position = 0; f.position < 500; ++f.position) {
    const double target = uniform(0, 0, f.position) * total;
    double sum = 0;
    size_t rank = 0;
    while (rank < 999 && (sum += std::exp(static_cast<double>(f.logits[order[rank]]) -
                                          f.logits[order[0]])) <= target)
      ++rank;
    CHECK_EQ(f.choose(scratch).token, order[rank]);
  }
}

TEST(repetition_penalty_touches_prompt_and_output_once) {
  Fixture f{.logits = {2.0f, 1.9f, -1.0f}, .prompt = {0, 0, 0}, .output = {2}};
  f.params.temperature = 0;
  f.params.repetition_penalty =
      1.1f;  // 2.0 / 1.1 = 1.82 < 1.9, but 2.0 / 1.1^3 would be 1.50 as well
  CHECK_EQ(f.choose().token, 1);
  f.logits = {2.0f, 1.7f, -1.0f};  // once: 1.82 > 1.7; three times: 1.50 < 1.7
  CHECK_EQ(f.choose().token, 0);
  f.logits = {-3.0f, -1.15f, -1.1f};  // negative logits are multiplied: -1.1 becomes -1.21
  CHECK_EQ(f.choose().token, 1);
}

TEST(presence_and_frequency_penalties_count_the_output_only) {
  Fixture f{.logits = {1.0f, 0.5f}, .prompt = {0, 0}};
  f.params.temperature = 0;
  f.params.presence_penalty = 0.6f;
  CHECK_EQ(f.choose().token, 0);
  f.output = {0};
  CHECK_EQ(f.choose().token, 1);
  f.params.presence_penalty = 0;
  f.params.frequency_penalty = 0.2f;
  f.output = {0, 0};
  CHECK_EQ(f.choose().token, 0);
  f.output = {0, 0, 0};
  CHECK_EQ(f.choose().token, 1);
}

TEST(penalties_leave_no_trace_in_the_scratch) {
  Fixture f{.logits = {1.0f, 0.9f, 0.0f}, .prompt = {0, 1}, .output = {0, 1, 1}};
  f.params = {
      .temperature = 0, .repetition_penalty = 1.5f, .presence_penalty = 1, .frequency_penalty = 1};
  Scratch scratch(3);
  const int32_t token = f.choose(scratch).token;
  CHECK_EQ(f.choose(scratch).token, token);
  Fixture plain{.logits = {1.0f, 0.9f, 0.0f}};
  plain.params.temperature = 0;
  CHECK_EQ(plain.choose(scratch).token, 0);
}

TEST(bias_and_mask) {
  Fixture f{.logits = {1, 0, 0.5f}, .bias = {{1, 2.0f}}};
  f.params.temperature = 0;
  CHECK_EQ(f.choose().token, 1);
  f.mask = {0b101};
  CHECK_EQ(f.choose().token, 0);
  f.params.temperature = 1;
  const auto share = f.frequencies(1000);
  CHECK_EQ(share[1], 0.0);
  f.mask = {0};
  CHECK_EQ(f.choose().token, -1);
}

TEST(logprobs_are_those_of_the_model) {
  Fixture f{.logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)},
            .bias = {{2, 100.0f}},
            .mask = {0b100}};
  f.params.temperature = 0.1f;
  f.params.top_logprobs = 2;
  const Choice choice = f.choose();
  CHECK_EQ(choice.token, 2);
  check_near(choice.logprob, std::log(0.2), 1e-6);
  CHECK_EQ(f.top[0].first, 0);
  check_near(f.top[0].second, std::log(0.5), 1e-6);
  CHECK_EQ(f.top[1].first, 1);
}

TEST(broken_logits_choose_nothing_and_nan_counts_as_impossible) {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              inf = std::numeric_limits<float>::infinity();
  for (const float temperature : {0.0f, 1.0f}) {
    Fixture f{.logits = {nan, nan}};
    f.params.temperature = temperature;
    CHECK_EQ(f.choose().token, -1);
    f.logits = {-inf, -inf};
    CHECK_EQ(f.choose().token, -1);
    f.logits = {nan, 1.0f};
    CHECK_EQ(f.choose().token, 1);
  }
}

TEST(extreme_penalties_and_biases_forbid_nothing) {
  for (const float temperature : {0.0f, 1.0f}) {
    Fixture f{.logits = {1.0f, 2.0f}, .bias = {{0, 3e38f}, {0, 3e38f}}};
    f.params.temperature = temperature;
    CHECK_EQ(f.choose().token, 0);
    f.bias = {{0, -3e38f}, {0, -3e38f}, {1, -3e38f}, {1, -3e38f}};
    CHECK(f.choose().token >= 0);
    f.bias.clear();
    f.prompt = {0};
    f.params.repetition_penalty = 1e-39f;
    CHECK_EQ(f.choose().token, 0);
  }
}

TEST(a_tiny_temperature_does_not_overflow) {
  Fixture f{.logits = {100.0f, 99.0f, -1000.0f}};
  f.params.temperature = 1e-20f;
  CHECK_EQ(f.choose().token, 0);
}

#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "sampling/philox.h"

namespace gptoss::sampling {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

Scratch::Scratch(int32_t n_vocab)
    : logits_(static_cast<size_t>(n_vocab)),
      order_(static_cast<size_t>(n_vocab)),
      count_(static_cast<size_t>(n_vocab), 0) {}

// The steps of one choice over one row.
class RowSampler {
 public:
  RowSampler(const Row& row, Scratch& scratch)
      : row_(row),
        params_(*row.params),
        logits_(scratch.logits_),
        order_(scratch.order_),
        count_(scratch.count_) {
    std::transform(row.logits.begin(), row.logits.end(), logits_.begin(),
                   [](float logit) { return std::isnan(logit) ? -kInfinity : logit; });
  }

  double log_sum_exp() const {
    const float best = *std::max_element(logits_.begin(), logits_.end());
    double sum = 0;
    for (const float logit : logits_) sum += std::exp(static_cast<double>(logit) - best);
    return best + std::log(sum);
  }

  void fill_top_logprobs(double normaliser, std::span<std::pair<int32_t, float>> top) {
    begin_walk();
    for (size_t rank = 0; rank < top.size(); ++rank) {
      const int32_t token = at_rank(rank);
      top[rank] = {token, static_cast<float>(logits_[static_cast<size_t>(token)] - normaliser)};
    }
  }

  void adjust() {
    penalise();
    for (const auto& [token, bias] : row_.bias) {
      if (bias == -kInfinity)
        logits_[static_cast<size_t>(token)] = -kInfinity;  // forbidden
      else
        set(token, logit(token) + bias);
    }
    if (!row_.mask.empty())
      for (size_t token = 0; token < logits_.size(); ++token)
        if ((row_.mask[token / 32] >> (token % 32) & 1u) == 0) logits_[token] = -kInfinity;
  }

  int32_t greedy() const {
    const auto best =
        std::max_element(logits_.begin(), logits_.end());  // the first of equals: the lower id
    return std::isfinite(*best) ? static_cast<int32_t>(best - logits_.begin()) : -1;
  }

  int32_t draw() {
    begin_walk();
    const float best = logits_[static_cast<size_t>(at_rank(0))];
    if (!std::isfinite(best)) return -1;
    const double inverse_temperature = 1.0 / params_.temperature;
    const auto weight = [&](int32_t token) {
      return std::exp((static_cast<double>(logits_[static_cast<size_t>(token)]) - best) *
                      inverse_temperature);
    };

    // Truncation: how many of the best tokens stay, and their total weight.
    const size_t most = params_.top_k > 0
                            ? std::min<size_t>(static_cast<size_t>(params_.top_k), logits_.size())
                            : logits_.size();
    const bool truncated = most < logits_.size() || params_.top_p < 1.0f || params_.min_p > 0.0f;
    double total = 0;
    size_t n_kept = most;
    if (truncated) {
      double whole = 0;  // top_p is a share of what top_k kept
      if (most == logits_.size())
        for (size_t token = 0; token < logits_.size(); ++token)
          whole += weight(static_cast<int32_t>(token));
      else
        for (size_t rank = 0; rank < most; ++rank) whole += weight(at_rank(rank));
      for (n_kept = 0; n_kept < most; ++n_kept) {
        const double candidate = weight(at_rank(n_kept));
        // The best token always stays, whatever the settings.
        if (n_kept > 0 && (candidate < params_.min_p || total >= params_.top_p * whole)) break;
        total += candidate;
      }
    } else {
      for (size_t token = 0; token < logits_.size(); ++token)
        total += weight(static_cast<int32_t>(token));
    }

    const double target = uniform(params_.seed, params_.completion_index, row_.position) * total;
    double cumulative = 0;
    int32_t last = at_rank(0);
    for (size_t rank = 0; rank < n_kept; ++rank) {
      const int32_t token = at_rank(rank);
      const double candidate = weight(token);
      if (candidate == 0) break;  // nothing of lower logit has weight either
      last = token;
      cumulative += candidate;
      if (cumulative > target) break;
    }
    return last;  // also when rounding left the sum just under the target
  }

 private:
  float logit(int32_t token) const { return logits_[static_cast<size_t>(token)]; }

  // A possible token stays possible, and its logit finite, however large a penalty or bias.
  void set(int32_t token, float value) {
    constexpr float kMost = std::numeric_limits<float>::max();
    float& logit = logits_[static_cast<size_t>(token)];
    if (logit != -kInfinity) logit = std::clamp(value, -kMost, kMost);
  }

  void penalise() {
    if (params_.repetition_penalty != 1.0f) {
      for (const auto tokens : {row_.prompt, row_.output})
        for (const int32_t token : tokens) {
          if (count_[static_cast<size_t>(token)]++ > 0) continue;
          const float penalty = params_.repetition_penalty;
          set(token, logit(token) > 0 ? logit(token) / penalty : logit(token) * penalty);
        }
      clear_counts(row_.prompt);
      clear_counts(row_.output);
    }
    if (params_.presence_penalty != 0 || params_.frequency_penalty != 0) {
      for (const int32_t token : row_.output) ++count_[static_cast<size_t>(token)];
      for (const int32_t token : row_.output) {
        int32_t& count = count_[static_cast<size_t>(token)];
        if (count == 0) continue;  // already subtracted
        set(token, logit(token) - params_.presence_penalty -
                       params_.frequency_penalty * static_cast<float>(count));
        count = 0;
      }
    }
  }

  void clear_counts(std::span<const int32_t> tokens) {
    for (const int32_t token : tokens) count_[static_cast<size_t>(token)] = 0;
  }

  void begin_walk() {
    std::iota(order_.begin(), order_.end(), 0);
    n_sorted_ = 0;
  }

  // The token of this rank by descending logit. Sorts lazily, in blocks that grow: most draws end
  // among the best few.
  int32_t at_rank(size_t rank) {
    while (rank >= n_sorted_) {
      const auto better = [this](int32_t a, int32_t b) {
        const float x = logits_[static_cast<size_t>(a)], y = logits_[static_cast<size_t>(b)];
        return x != y ? x > y : a < b;
      };
      const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(n_sorted_);
      const size_t n_more =
          std::min(order_.size() - n_sorted_, std::max<size_t>(64, 3 * n_sorted_));
      const auto end = begin + static_cast<std::ptrdiff_t>(n_more);
      if (end != order_.end()) std::nth_element(begin, end, order_.end(), better);
      std::sort(begin, end, better);
      n_sorted_ += n_more;
    }
    return order_[rank];
  }

  const Row& row_;
  const Params& params_;
  std::vector<float>& logits_;
  std::vector<int32_t>& order_;
  std::vector<int32_t>& count_;
  size_t n_sorted_ = 0;
};

Choice choose(const Row& row, Scratch& scratch, std::span<std::pair<int32_t, float>> top_logprobs) {
  RowSampler sampler(row, scratch);
  const bool wants_logprobs = row.params->top_logprobs >= 0;
  // Logprobs are those of the model itself, so they are taken before anything is adjusted.
  const double normaliser = wants_logprobs ? sampler.log_sum_exp() : 0;
  if (wants_logprobs) sampler.fill_top_logprobs(normaliser, top_logprobs);
  sampler.adjust();
  Choice choice{row.params->temperature == 0 ? sampler.greedy() : sampler.draw(), 0};
  if (wants_logprobs && choice.token >= 0)
    choice.logprob = static_cast<float>(row.logits[static_cast<size_t>(choice.token)] - normaliser);
  return choice;
}

}  // namespace gptoss::sampling

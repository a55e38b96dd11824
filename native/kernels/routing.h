// The router's choice and the order in which a device takes the experts of a step.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "base/family.h"

namespace gptoss::kernels {

// The kExpertsPerToken best experts of one token, best first; equal logits keep the lower id first.
class BestExperts {
 public:
  // experts: (kExpertsPerToken), borrowed. They are valid ids even if every logit is NaN: a broken
  // model must not read out of bounds.
  explicit BestExperts(int32_t* experts) : experts_(experts) {
    std::iota(experts_, experts_ + kExpertsPerToken, 0);
  }

  // Experts come in ascending order.
  void offer(int32_t expert, float logit) {
    if (!(logit > logits_[kExpertsPerToken - 1])) return;
    int slot = kExpertsPerToken - 1;
    for (; slot > 0 && logit > logits_[slot - 1]; --slot) {
      experts_[slot] = experts_[slot - 1];
      logits_[slot] = logits_[slot - 1];
    }
    experts_[slot] = expert;
    logits_[slot] = logit;
  }

  // The softmax over the chosen ones; weights: (kExpertsPerToken).
  void weigh(float* weights) const {
    float sum = 0;
    for (int slot = 0; slot < kExpertsPerToken; ++slot)
      sum += weights[slot] = std::exp(logits_[slot] - logits_[0]);
    for (int slot = 0; slot < kExpertsPerToken; ++slot) weights[slot] /= sum;
  }

 private:
  int32_t* experts_;
  float logits_[kExpertsPerToken] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
};

// The (token, slot) pairs of a step, sorted by expert: each expert's weights are read once.
class ExpertGroups {
 public:
  struct Group {
    int expert;
    std::span<const int32_t> uses;  // token * kExpertsPerToken + slot, ascending
    int begin;                      // number of uses in the groups before
  };

  void reserve(int n_tokens, int n_experts) {
    uses_.resize(static_cast<size_t>(n_tokens) * kExpertsPerToken);
    cursor_.resize(static_cast<size_t>(n_experts));
    groups_.reserve(static_cast<size_t>(n_experts));
  }

  // experts: (n_tokens, kExpertsPerToken). Returns the experts in use, ascending; valid until the
  // next call.
  std::span<const Group> sort(const int32_t* experts, int n_tokens) {
    const int n_uses = n_tokens * kExpertsPerToken;
    std::fill(cursor_.begin(), cursor_.end(), 0);
    for (int use = 0; use < n_uses; ++use) ++cursor_[static_cast<size_t>(experts[use])];
    groups_.clear();
    int begin = 0;
    for (size_t expert = 0; expert < cursor_.size(); ++expert) {
      const int n_of_expert = std::exchange(cursor_[expert], begin);
      if (n_of_expert > 0)
        groups_.push_back({static_cast<int>(expert),
                           {uses_.data() + begin, static_cast<size_t>(n_of_expert)},
                           begin});
      begin += n_of_expert;
    }
    for (int use = 0; use < n_uses; ++use)
      uses_[static_cast<size_t>(cursor_[static_cast<size_t>(experts[use])]++)] = use;
    return groups_;
  }

 private:
  std::vector<int32_t> uses_;    // (n_tokens * 4)
  std::vector<int32_t> cursor_;  // (n_experts) scratch of the counting sort
  std::vector<Group> groups_;
};

}  // namespace gptoss::kernels

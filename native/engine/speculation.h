// How much of a draft is worth checking: a drafted token makes the step longer, and saves one where
// it is right.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "engine/drafter.h"
#include "engine/step_times.h"

namespace gptoss::engine {

// Of one sequence.
class Speculation {
 public:
  // Tokens of the draft to check in a step that would have n_rows rows without them.
  int n_worthwhile(const Draft& draft, int n_rows, const StepTimes& times) const {
    const double alone = times.estimate(n_rows);
    if (alone == 0 || draft.n_tokens == 0) return 0;
    const double per_token = alone / n_rows;
    const double chance = chance_[slot(draft)];
    double right = 1, best_gain = 0, gain = 0, cost = alone;
    int n_best = 0;
    for (int n = 1; n <= draft.n_tokens; ++n) {
      right *= chance;
      const double longer = times.estimate(n_rows + n);
      gain += right * per_token - (longer - cost);
      cost = longer;
      if (gain > best_gain) {
        best_gain = gain;
        n_best = n;
      }
    }
    // What it may lose in all, should every guess from now on be wrong.
    const double at_risk = times.estimate(n_rows + n_best) - alone;
    return at_risk <= balance_ + alone ? n_best : 0;
  }

  // After a step: `draft` was known, its first n_checked tokens were checked, and n_right of them,
  // or of those that came out without being checked, were right. seconds: of the step.
  void learn(const Draft& draft, int n_checked, int n_right, int n_rows, double seconds,
             const StepTimes& times) {
    const double alone = times.estimate(n_rows);
    balance_ += kMostLost * alone / n_rows;
    if (draft.n_tokens == 0) return;
    double& chance = chance_[slot(draft)];
    for (int i = 0; i < n_right; ++i) chance += kWeight * (1 - chance);
    if (n_right < std::max(1, n_checked)) chance -= kWeight * chance;
    if (n_checked == 0) return;
    balance_ += n_right * alone / n_rows - (seconds - alone);
    balance_ = std::min(balance_, kMostSaved * alone);
  }

 private:
  static constexpr double kMostLost = 0.04;  // of the time without drafts
  static constexpr double kMostSaved = 20;   // steps whose gain is remembered
  static constexpr double kWeight = 0.1;     // of one token

  // Longer matches are more often right.
  static size_t slot(const Draft& draft) {
    return static_cast<size_t>(std::clamp((draft.n_matched - 3) / 3, 0, 3));
  }

  std::array<double, 4> chance_{0.5, 0.65, 0.8, 0.9};  // that the next token of a draft is right
  double balance_ = 0;                                 // seconds won, and those that may be lost
};

}  // namespace gptoss::engine

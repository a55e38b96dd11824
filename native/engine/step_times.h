// How long steps take by their number of tokens, learned from those that were computed.
#pragma once

#include <array>
#include <bit>
#include <cstddef>

namespace gptoss::engine {

class StepTimes {
 public:
  void record(int n_tokens, double seconds) {
    Size& size = sizes_[slot(n_tokens)];
    const double n = n_tokens;
    if (size.seconds == 0)
      size = {n, seconds};
    else
      size = {size.n_tokens + kWeight * (n - size.n_tokens),
              size.seconds + kWeight * (seconds - size.seconds)};
  }

  // Seconds of a step of so many tokens, from the sizes next to it; 0 where nothing is known.
  // Beyond the known sizes, a step is as fast for each token as the largest, and as slow as the
  // smallest.
  double estimate(int n_tokens) const {
    const Size* below = nullptr;
    const Size* above = nullptr;
    for (const Size& size : sizes_) {
      if (size.seconds == 0) continue;
      if (size.n_tokens <= n_tokens) below = &size;
      if (size.n_tokens >= n_tokens && above == nullptr) above = &size;
    }
    if (below == nullptr) return above == nullptr ? 0 : above->seconds;
    if (above == nullptr) return below->seconds * n_tokens / below->n_tokens;
    const double span = above->n_tokens - below->n_tokens;
    const double share = span > 0 ? (n_tokens - below->n_tokens) / span : 0;
    return below->seconds + share * (above->seconds - below->seconds);
  }

 private:
  struct Size {
    double n_tokens = 0, seconds = 0;  // means
  };
  static constexpr double kWeight = 0.25;  // of a new step

  // Four slots for each doubling.
  static size_t slot(int n_tokens) {
    const auto n = static_cast<unsigned>(n_tokens);
    const auto octave = static_cast<unsigned>(std::bit_width(n)) - 1;
    const unsigned quarter =
        octave < 2 ? (n - (1u << octave)) << (2 - octave) : (n - (1u << octave)) >> (octave - 2);
    return 4 * octave + quarter;
  }

  std::array<Size, 128> sizes_{};
};

// Tokens of prompts that a step may take beside n_generating tokens of running streams, so that
// their streams slow down to kSlowest times a step without prompts.
inline int prompt_tokens_beside(const StepTimes& times, int n_generating, int n_most) {
  constexpr double kSlowest = 2.2;
  constexpr int kLeast = 8;
  const double alone = times.estimate(n_generating);
  if (alone == 0) return n_most;
  int low = kLeast, high = n_most;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (times.estimate(n_generating + middle) <= kSlowest * alone)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

}  // namespace gptoss::engine

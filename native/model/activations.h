// Every intermediate value of a step, owned, sized once for the largest step.
#pragma once

#include <cstdint>

#include "base/buffer.h"
#include "model/config.h"

namespace gptoss::model {

class Activations {
 public:
  // n: most tokens of a step; n_logits: most rows whose logits are computed at once.
  Activations(const Config& config, int n, int n_logits)
      : memory_(n_bytes(config, n, n_logits), "activations") {
    std::byte* next = memory_.data();
    for_each(config, n, n_logits, [&](auto*& pointer, int64_t count) {
      pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(next);
      next += aligned_bytes(count);
    });
  }

  float* x = nullptr;               // (n, hidden) residual stream
  float* normed = nullptr;          // (n, hidden)
  float* query = nullptr;           // (n, n_heads, 64)
  float* attended = nullptr;        // (n, n_heads, 64)
  int32_t* experts = nullptr;       // (n, 4)
  float* expert_weights = nullptr;  // (n, 4)
  float* activated = nullptr;       // (n, 4, ff)
  float* expert_out = nullptr;      // (n, 4, hidden)
  float* logits_normed = nullptr;   // (n_logits, hidden)
  float* logits = nullptr;          // (n_logits, n_vocab)

 private:
  // Calls use(pointer, number of 4-byte elements) for each buffer.
  template <typename Use>
  void for_each(const Config& c, int64_t n, int64_t n_logits, Use use) {
    use(x, n * c.hidden);
    use(normed, n * c.hidden);
    use(query, n * c.query_width());
    use(attended, n * c.query_width());
    use(experts, n * kExpertsPerToken);
    use(expert_weights, n * kExpertsPerToken);
    use(activated, n * kExpertsPerToken * c.ff);
    use(expert_out, n * kExpertsPerToken * c.hidden);
    use(logits_normed, n_logits * c.hidden);
    use(logits, n_logits * c.n_vocab);
  }
  static size_t aligned_bytes(int64_t count) {
    return (static_cast<size_t>(count) * 4 + 63) / 64 * 64;
  }
  size_t n_bytes(const Config& config, int n, int n_logits) {
    size_t total = 0;
    for_each(config, n, n_logits, [&](auto*&, int64_t count) { total += aligned_bytes(count); });
    return total;
  }

  Buffer memory_;
};

}  // namespace gptoss::model

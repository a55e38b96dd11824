// Every intermediate value of a step, owned, sized once for the largest step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/buffer.h"
#include "model/config.h"

namespace gptoss::model {

class Activations {
 public:
  // n: most tokens of a step; n_logits: most rows whose logits are computed at once.
  Activations(const Config& config, int n, int n_logits)
      : memory_(n_bytes(config, n, n_logits), "activations") {
    std::byte* next = memory_.data();
    for_each(config, n, n_logits, [&](auto Activations::* buffer, int64_t count) {
      this->*buffer = reinterpret_cast<std::remove_reference_t<decltype(this->*buffer)>>(next);
      next += aligned_bytes(count);
    });
  }

  static size_t n_bytes(const Config& config, int n, int n_logits) {
    size_t total = 0;
    for_each(config, n, n_logits, [&](auto, int64_t count) { total += aligned_bytes(count); });
    return total;
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
  // Calls use(pointer to member, number of 4-byte elements) for each buffer.
  template <typename Use>
  static void for_each(const Config& c, int64_t n, int64_t n_logits, Use use) {
    use(&Activations::x, n * c.hidden);
    use(&Activations::normed, n * c.hidden);
    use(&Activations::query, n * c.query_width());
    use(&Activations::attended, n * c.query_width());
    use(&Activations::experts, n * kExpertsPerToken);
    use(&Activations::expert_weights, n * kExpertsPerToken);
    use(&Activations::activated, n * kExpertsPerToken * c.ff);
    use(&Activations::expert_out, n * kExpertsPerToken * c.hidden);
    use(&Activations::logits_normed, n_logits * c.hidden);
    use(&Activations::logits, n_logits * c.n_vocab);
  }
  static size_t aligned_bytes(int64_t count) {
    return (static_cast<size_t>(count) * 4 + 63) / 64 * 64;
  }
  Buffer memory_;
};

}  // namespace gptoss::model

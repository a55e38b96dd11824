#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gptoss::model {

kernels::Rope make_rope(const Config& config) {
  constexpr int kPairs = kHeadDim / 2;
  const double log_theta = std::log(static_cast<double>(config.rope_theta));
  // The dimension pair that makes this many rotations over the original context.
  const auto pair_of_rotations = [&](double rotations) {
    const double wavelength =
        static_cast<double>(config.rope_original_ctx) / (rotations * 2 * std::numbers::pi);
    return kHeadDim * std::log(wavelength) / (2 * log_theta);
  };
  const double low = std::max(pair_of_rotations(config.rope_beta_fast), 0.0);
  const double high = std::min(pair_of_rotations(config.rope_beta_slow), kHeadDim - 1.0);

  kernels::Rope rope{};
  for (int i = 0; i < kPairs; ++i) {
    // Float32 and this order of operations, as the model was made with.
    const auto power =
        static_cast<float>(std::pow(static_cast<double>(config.rope_theta), 2.0 * i / kHeadDim));
    const float extrapolated = 1.0f / power;
    const float interpolated = 1.0f / (config.rope_factor * power);
    const double width = high > low ? high - low : 0.001;
    const auto ramp = static_cast<float>(std::clamp((i - low) / width, 0.0, 1.0));
    const float keep = 1.0f - ramp;  // 1 = frequency as trained, 0 = interpolated
    rope.inverse_frequency[i] = interpolated * (1.0f - keep) + extrapolated * keep;
  }
  rope.magnitude =
      config.rope_factor > 1.0f
          ? static_cast<float>(0.1 * std::log(static_cast<double>(config.rope_factor)) + 1.0)
          : 1.0f;
  return rope;
}

}  // namespace gptoss::model

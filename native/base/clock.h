// The clock that steps and operations are timed with.
#pragma once

#include <chrono>

namespace gptoss {

// Seconds of the system's monotonic clock, whose beginning is arbitrary.
inline double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace gptoss

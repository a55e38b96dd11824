// Assertions on our own invariants. They stay on in release builds: a wrong page index is cheaper
// found than served.
#pragma once

#include <stdexcept>

namespace gptoss {

// A broken invariant of this library; never the user's mistake.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace gptoss

#define GPTOSS_STRINGIFY_(x) #x
#define GPTOSS_STRINGIFY(x) GPTOSS_STRINGIFY_(x)
#define GPTOSS_CHECK(condition)                                                            \
  do {                                                                                     \
    if (!(condition))                                                                      \
      throw ::gptoss::InternalError("internal error: " #condition " (" __FILE__            \
                                    ":" GPTOSS_STRINGIFY(__LINE__) "); please report it"); \
  } while (false)

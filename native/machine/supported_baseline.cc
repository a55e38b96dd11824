// For architectures whose vector instructions nobody has written loops for.
#include <iterator>

#include "machine/peak.h"

namespace gptoss::machine {

std::vector<PeakLoop> supported_peak_loops() {
  return {std::begin(kScalarPeakLoops), std::end(kScalarPeakLoops)};
}

}  // namespace gptoss::machine

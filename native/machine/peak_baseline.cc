// For architectures whose vector instructions nobody has written loops for.
#include "machine/peak.h"

namespace gptoss::machine {

std::vector<PeakLoop> vector_peak_loops() { return {}; }

}  // namespace gptoss::machine

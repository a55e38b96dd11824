#include <cpuid.h>
#include <iterator>
#include <span>

#include "machine/peak.h"

namespace gptoss::machine {
namespace {

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

// Not all compilers have a name for it yet.
bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni");
}

}  // namespace

std::vector<PeakLoop> supported_peak_loops() {
  std::vector<PeakLoop> found(std::begin(kScalarPeakLoops), std::end(kScalarPeakLoops));
  const auto add = [&](std::span<const PeakLoop> loops) {
    found.insert(found.end(), loops.begin(), loops.end());
  };
  if (has_avx2()) add(kAvx2PeakLoops);
  if (has_avx_vnni()) add(kAvxVnniPeakLoops);
  if (has_avx512()) add(kAvx512PeakLoops);
  return found;
}

}  // namespace gptoss::machine

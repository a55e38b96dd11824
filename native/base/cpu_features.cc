#include "base/cpu_features.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gptoss::cpu_features {
namespace {

struct Leaf7 {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;

  explicit Leaf7(unsigned subleaf) {
    if (__get_cpuid_count(7, subleaf, &eax, &ebx, &ecx, &edx) == 0) eax = ebx = ecx = edx = 0;
  }
};

// Tiles are larger than the state that Linux gives to every thread, so that it wants to be asked.
bool allow_tiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace

bool avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

// Not on every compiler's own list, as AMX is not.
bool avx_vnni() { return avx2() && (Leaf7(1).eax >> 4 & 1) != 0; }

bool avx512_vnni() {
  return avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

bool avx512_bf16() { return avx512_vnni() && __builtin_cpu_supports("avx512bf16"); }

bool fast_bf16() { return avx512_bf16() && __builtin_cpu_is("amd"); }

bool amx_int8() {
  static const bool has = [] {
    const unsigned bits = Leaf7(0).edx;
    return avx512_vnni() && (bits >> 24 & 1) != 0 && (bits >> 25 & 1) != 0 && allow_tiles();
  }();
  return has;
}

}  // namespace gptoss::cpu_features

#elif defined(__aarch64__)

#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace gptoss::cpu_features {

bool neon_dotprod() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__ARM_FEATURE_DOTPROD)
  return true;  // as Apple's compilers assume it; untested
#else
  return false;
#endif
}

}  // namespace gptoss::cpu_features

#endif

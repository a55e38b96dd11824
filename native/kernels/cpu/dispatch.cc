// Which instruction sets this machine has, and which of them is used.
#include <cstdlib>
#include <string>
#include <vector>

#include <gptoss/error.h>

#include "kernels/cpu/kernel_table.h"
#include "kernels/devices.h"
#include "kernels/ops.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace gptoss::kernels {
namespace cpu {
namespace {

#if defined(__x86_64__)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

// Not on every compiler's own list.
bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}
#endif

}  // namespace

std::vector<const KernelTable*> supported_kernels() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  if (has_avx512()) tables.push_back(&kAvx512Kernels);
  if (has_avx_vnni()) tables.push_back(&kAvxVnniKernels);
  if (has_avx2()) tables.push_back(&kAvx2Kernels);
#endif
  tables.push_back(&kScalarKernels);
  return tables;
}

const KernelTable& wanted_kernels() {
  const auto tables = supported_kernels();
  const char* const wanted = std::getenv("GPTOSS_CPU_ISA");
  const std::string isa = wanted != nullptr ? wanted : "";
  if (isa.empty()) return *tables.front();
  std::string names;
  for (const KernelTable* table : tables) {
    if (isa == table->isa) return *table;
    names += std::string(names.empty() ? "" : ", ") + table->isa;
  }
  throw RequestError("GPTOSS_CPU_ISA names an unknown instruction set, '" + isa +
                     "'; this machine has " + names);
}

}  // namespace cpu

std::vector<std::string> cpu_isas() {
  std::vector<std::string> names;
  for (const cpu::KernelTable* table : cpu::supported_kernels()) names.emplace_back(table->isa);
  return names;
}

}  // namespace gptoss::kernels

// Which instruction sets this machine has, and which of them is used.
#include <cstdlib>
#include <string>
#include <vector>

#include <gptoss/error.h>

#include "base/cpu_features.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/devices.h"
#include "kernels/ops.h"

namespace gptoss::kernels {
namespace cpu {

std::vector<const KernelTable*> supported_kernels() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  if (cpu_features::amx_int8()) tables.push_back(&kAmxKernels);
  if (cpu_features::avx512_vnni()) tables.push_back(&kAvx512Kernels);
  if (cpu_features::avx_vnni()) tables.push_back(&kAvxVnniKernels);
  if (cpu_features::avx2()) tables.push_back(&kAvx2Kernels);
#elif defined(__aarch64__)
  if (cpu_features::neon_dotprod()) tables.push_back(&kNeonKernels);
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

// Which instruction sets this machine has, and which of them is used.
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <gptoss/error.h>

#include "base/cpu_features.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/devices.h"
#include "kernels/ops.h"

namespace gptoss::kernels {
namespace cpu {

std::vector<const KernelTable*> supported_kernels(std::string_view arithmetic) {
  const bool is_bf16 = arithmetic == "bf16";
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  if (cpu_features::amx_int8() && !is_bf16) tables.push_back(&kAmxKernels);
  const bool has_pairs = cpu_features::avx512_bf16() && is_bf16;
  if (has_pairs && cpu_features::fast_bf16()) tables.push_back(&kAvx512PairsKernels);
  if (cpu_features::avx512_vnni())
    tables.push_back(is_bf16 ? &kAvx512Bf16Kernels : &kAvx512Kernels);
  if (has_pairs && !cpu_features::fast_bf16()) tables.push_back(&kAvx512PairsKernels);
  if (cpu_features::avx_vnni() && !is_bf16) tables.push_back(&kAvxVnniKernels);
  if (cpu_features::avx2()) tables.push_back(is_bf16 ? &kAvx2Bf16Kernels : &kAvx2Kernels);
#endif
  tables.push_back(is_bf16 ? &kScalarBf16Kernels : &kScalarKernels);
  return tables;
}

const KernelTable& wanted_kernels(std::string_view arithmetic) {
  const auto tables = supported_kernels(arithmetic);
  const char* const wanted = std::getenv("GPTOSS_CPU_ISA");
  const std::string isa = wanted != nullptr ? wanted : "";
  if (isa.empty()) return *tables.front();
  std::string names;
  for (const KernelTable* table : tables) {
    if (isa == table->isa) return *table;
    names += std::string(names.empty() ? "" : ", ") + table->isa;
  }
  throw RequestError("GPTOSS_CPU_ISA names an unknown instruction set, '" + isa +
                     "'; this machine computes " + std::string(arithmetic) + " with " + names);
}

}  // namespace cpu

std::vector<std::string> cpu_isas(std::string_view compute) {
  std::vector<std::string> names;
  for (const cpu::KernelTable* table : cpu::supported_kernels(compute))
    names.emplace_back(table->isa);
  return names;
}

}  // namespace gptoss::kernels

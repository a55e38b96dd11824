// Which instruction sets this machine has, and which of them is used.
#include <cstdlib>
#include <initializer_list>
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

namespace {

// Of all arithmetics, best first.
std::vector<const KernelTable*> all_kernels() {
  std::vector<const KernelTable*> tables;
  const auto add = [&](bool is_here, std::initializer_list<const KernelTable*> of_an_isa) {
    if (is_here) tables.insert(tables.end(), of_an_isa);
  };
#if defined(__x86_64__)
  using namespace cpu_features;
  add(amx_int8(), {&kAmxKernels});
  add(fast_bf16(), {&kAvx512PairsKernels});
  add(avx512_vnni(), {&kAvx512Kernels, &kAvx512Bf16Kernels});
  add(avx512_bf16() && !fast_bf16(), {&kAvx512PairsKernels});
  add(avx_vnni(), {&kAvxVnniKernels});
  add(avx2(), {&kAvx2Kernels, &kAvx2Bf16Kernels});
#elif defined(__aarch64__)
  add(cpu_features::neon_dotprod(), {&kNeonKernels, &kNeonBf16Kernels});
#endif
  add(true, {&kScalarKernels, &kScalarBf16Kernels});
  return tables;
}

}  // namespace

std::vector<const KernelTable*> supported_kernels(std::string_view arithmetic) {
  auto tables = all_kernels();
  std::erase_if(tables, [&](const KernelTable* table) { return table->arithmetic != arithmetic; });
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
  throw RequestError("GPTOSS_CPU_ISA: this machine has no '" + isa + "' for " +
                     std::string(arithmetic) + "; it computes that with " + names);
}

}  // namespace cpu

std::vector<std::string> cpu_isas(std::string_view compute) {
  std::vector<std::string> names;
  for (const cpu::KernelTable* table : cpu::supported_kernels(compute))
    names.emplace_back(table->isa);
  return names;
}

}  // namespace gptoss::kernels

// The kernels in NEON with the dot products of Armv8.2.
#include "kernels/cpu/simd/vec_neon.h"
#include "kernels/cpu/templates/table.inl.h"

namespace gptoss::kernels::cpu {

constinit const KernelTable kNeonKernels = int8_table("neon");
constinit const KernelTable kNeonBf16Kernels = bf16_table("neon");

}  // namespace gptoss::kernels::cpu

// The kernels in AVX2, FMA and F16C.
#include "kernels/cpu/simd/vec_avx2.h"
#include "kernels/cpu/templates/table.inl.h"

namespace gptoss::kernels::cpu {

constinit const KernelTable kAvx2Kernels = int8_table("avx2");
constinit const KernelTable kAvx2Bf16Kernels = bf16_table("avx2");

}  // namespace gptoss::kernels::cpu

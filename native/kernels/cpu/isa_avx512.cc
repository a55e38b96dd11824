// The kernels in AVX-512 with VNNI.
#include "kernels/cpu/simd/vec_avx512.h"
#include "kernels/cpu/templates/table.inl.h"

namespace gptoss::kernels::cpu {

constinit const KernelTable kAvx512Kernels = int8_table("avx512");
constinit const KernelTable kAvx512Bf16Kernels = bf16_table("avx512");

}  // namespace gptoss::kernels::cpu

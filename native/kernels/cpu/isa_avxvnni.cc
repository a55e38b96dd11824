// The kernels in AVX2 with the integer products of AVX-VNNI.
#include "kernels/cpu/simd/vec_avxvnni.h"
#include "kernels/cpu/templates/table.inl.h"

namespace gptoss::kernels::cpu {

constinit const KernelTable kAvxVnniKernels = int8_table("avxvnni");

}  // namespace gptoss::kernels::cpu

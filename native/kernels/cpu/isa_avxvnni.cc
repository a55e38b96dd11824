// The kernels in AVX2 with the integer products of AVX-VNNI.
#include "kernels/cpu/simd/vec_avxvnni.h"
#include "kernels/cpu/templates/table.inl.h"

namespace gptoss::kernels::cpu {

constinit const KernelTable kAvxVnniKernels = table_named("avxvnni");

}  // namespace gptoss::kernels::cpu

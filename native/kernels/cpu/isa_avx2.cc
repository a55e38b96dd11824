// The kernels in AVX2, FMA and F16C.
#include "kernels/cpu/leaf/table.inl.h"
#include "kernels/cpu/simd/vec_avx2.h"

namespace gptoss::kernels::cpu {

constinit const KernelTable kAvx2Kernels = table_named("avx2");

}  // namespace gptoss::kernels::cpu

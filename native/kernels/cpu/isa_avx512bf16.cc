// The bf16 kernels in AVX-512 with its products of bfloat16. Those of int8 are avx512's.
#include "kernels/cpu/simd/pairs_avx512.h"
#include "kernels/cpu/simd/vec_avx512.h"
#include "kernels/cpu/templates/table.inl.h"

namespace gptoss::kernels::cpu {

constinit const KernelTable kAvx512PairsKernels = bf16_table<PairInputs>("avx512bf16");

}  // namespace gptoss::kernels::cpu

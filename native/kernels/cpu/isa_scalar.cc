// The kernels in plain C++.
#include "kernels/cpu/simd/vec_scalar.h"
#include "kernels/cpu/templates/table.inl.h"

namespace gptoss::kernels::cpu {

constinit const KernelTable kScalarKernels = int8_table("scalar");
constinit const KernelTable kScalarBf16Kernels = bf16_table("scalar");

}  // namespace gptoss::kernels::cpu

// The kernels in Plain C++.
#include "kernels/cpu/leaf/table.inl.h"
#include "kernels/cpu/simd/vec_scalar.h"

namespace gptoss::kernels::cpu {

constinit const KernelTable kScalarKernels = table_named("scalar");

}  // namespace gptoss::kernels::cpu

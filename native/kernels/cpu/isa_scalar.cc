// The kernels in plain C++.
#include "kernels/cpu/simd/vec_scalar.h"
#include "kernels/cpu/templates/table.inl.h"

namespace gptoss::kernels::cpu {

constinit const KernelTable kScalarKernels = table_named("scalar");

}  // namespace gptoss::kernels::cpu

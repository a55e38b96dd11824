// Repacks the rows of a matrix into panels; see layout.h.
#pragma once

#include "kernels/ops.h"

namespace gptoss::kernels::cpu {

// The type that a matrix of this type has once it is packed.
quant::TensorType packed_type(quant::TensorType type);

// Writes panel `panel` of matrix `which` of `host`. out: (panel_bytes(packed_type, cols / 32)),
// zeroed.
void pack_panel(const Matrix& host, int64_t which, int64_t panel, std::byte* out);

}  // namespace gptoss::kernels::cpu

// The dense linear layer of the reference, shared by its sources.
#pragma once

#include "kernels/reference/dot.h"
#include "kernels/reference/reference_ops.h"

namespace gptoss::kernels::reference {

template <typename Store>
void ReferenceOps::linear(const Linear& linear, const float* x, int n, Store store) {
  const Matrix& w = linear.weight;
  pool_.parallel_for(w.rows, [&](int64_t i, int thread) {
    const float* row = decoded_row(w, 0, i, thread, 0);
    const float bias = linear.bias != nullptr ? linear.bias[i] : 0.0f;
    for (int64_t t = 0; t < n; ++t) store(t, i, dot(row, x + t * w.cols, w.cols) + bias);
  });
}

}  // namespace gptoss::kernels::reference

// Router and experts.
#include <algorithm>
#include <cmath>

#include "kernels/reference/dot.h"
#include "kernels/reference/reference_ops.h"
#include "kernels/routing.h"

namespace gptoss::kernels::reference {
namespace {

float swiglu(float gate, float up) {
  gate = std::min(gate, kSwigluLimit);
  up = std::clamp(up, -kSwigluLimit, kSwigluLimit);
  return (up + 1.0f) * (gate / (1.0f + std::exp(-kSwigluAlpha * gate)));
}

}  // namespace

void ReferenceOps::route(const RouteArgs& args) {
  const Matrix& w = args.router.weight;
  pool_.parallel_for(args.n, [&](int64_t t, int thread) {
    int32_t* experts = args.experts + t * kExpertsPerToken;
    BestExperts best(experts);
    for (int64_t e = 0; e < w.rows; ++e) {
      const float logit =
          dot(decoded_row(w, 0, e, thread, 0), args.x + t * w.cols, w.cols) + args.router.bias[e];
      best.offer(static_cast<int32_t>(e), logit);
    }
    best.weigh(args.expert_weights + t * kExpertsPerToken);
  });
}

void ReferenceOps::moe_up_swiglu(const MoeUpArgs& args) {
  const Matrix& gate = args.gate.weight;
  const Matrix& up = args.up.weight;
  const auto groups = expert_groups_.sort(args.experts, args.n);
  pool_.parallel_for(
      static_cast<int64_t>(groups.size()) * gate.rows, [&](int64_t item, int thread) {
        const auto& group = groups[static_cast<size_t>(item / gate.rows)];
        const int64_t i = item % gate.rows, bias_index = group.expert * gate.rows + i;
        const float* gate_row = decoded_row(gate, group.expert, i, thread, 0);
        const float* up_row = decoded_row(up, group.expert, i, thread, 1);
        for (const int64_t use : group.uses) {
          const float* x = args.x + use / kExpertsPerToken * gate.cols;
          args.activated[use * gate.rows + i] =
              swiglu(dot(gate_row, x, gate.cols) + args.gate.bias[bias_index],
                     dot(up_row, x, up.cols) + args.up.bias[bias_index]);
        }
      });
}

void ReferenceOps::moe_down_combine(const MoeDownArgs& args) {
  const Matrix& down = args.down.weight;
  const auto groups = expert_groups_.sort(args.experts, args.n);
  pool_.parallel_for(static_cast<int64_t>(groups.size()) * down.rows, [&](int64_t item,
                                                                          int thread) {
    const auto& group = groups[static_cast<size_t>(item / down.rows)];
    const int64_t i = item % down.rows;
    const float* row = decoded_row(down, group.expert, i, thread, 0);
    for (const int64_t use : group.uses) {
      args.expert_out[use * down.rows + i] = dot(row, args.activated + use * down.cols, down.cols) +
                                             args.down.bias[group.expert * down.rows + i];
    }
  });
  pool_.parallel_for(args.n, [&](int64_t t, int) {
    for (int64_t i = 0; i < down.rows; ++i) {
      float sum = 0;
      for (int64_t use = t * kExpertsPerToken; use < (t + 1) * kExpertsPerToken; ++use)
        sum += args.expert_weights[use] * args.expert_out[use * down.rows + i];
      args.residual[t * down.rows + i] += sum;
    }
  });
}

}  // namespace gptoss::kernels::reference

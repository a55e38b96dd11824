// Router and experts.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/reference/dot.h"
#include "kernels/reference/reference_ops.h"

namespace gptoss::kernels::reference {
namespace {

float swiglu(float gate, float up) {
  gate = std::min(gate, kSwigluLimit);
  up = std::clamp(up, -kSwigluLimit, kSwigluLimit);
  return (up + 1.0f) * (gate / (1.0f + std::exp(-kSwigluAlpha * gate)));
}

// Inserts (expert, logit) into a list sorted by falling logit; equal logits keep the lower id
// first.
void insert_best(int32_t* experts, float* logits, int32_t expert, float logit) {
  if (!(logit > logits[kExpertsPerToken - 1])) return;
  int slot = kExpertsPerToken - 1;
  for (; slot > 0 && logit > logits[slot - 1]; --slot) {
    experts[slot] = experts[slot - 1];
    logits[slot] = logits[slot - 1];
  }
  experts[slot] = expert;
  logits[slot] = logit;
}

}  // namespace

void ReferenceOps::route(const RouteArgs& args) {
  const Matrix& w = args.router.weight;
  pool_.parallel_for(args.n, [&](int64_t t, int thread) {
    int32_t* experts = args.experts + t * kExpertsPerToken;
    float* weights = args.expert_weights + t * kExpertsPerToken;
    // Valid ids even if every logit is NaN: a broken model must not read out of bounds.
    std::iota(experts, experts + kExpertsPerToken, 0);
    float best[kExpertsPerToken];
    std::fill_n(best, kExpertsPerToken, -INFINITY);
    for (int64_t e = 0; e < w.rows; ++e) {
      const float logit =
          dot(decoded_row(w, 0, e, thread, 0), args.x + t * w.cols, w.cols) + args.router.bias[e];
      insert_best(experts, best, static_cast<int32_t>(e), logit);
    }
    float sum = 0;
    for (int slot = 0; slot < kExpertsPerToken; ++slot)
      sum += weights[slot] = std::exp(best[slot] - best[0]);
    for (int slot = 0; slot < kExpertsPerToken; ++slot) weights[slot] /= sum;
  });
}

void ReferenceOps::group_by_expert(const int32_t* experts, int n, int64_t n_experts) {
  const int n_uses = n * kExpertsPerToken;
  std::fill_n(expert_cursor_.begin(), n_experts, 0);
  for (int use = 0; use < n_uses; ++use) ++expert_cursor_[static_cast<size_t>(experts[use])];
  groups_.clear();
  int begin = 0;
  for (int expert = 0; expert < n_experts; ++expert) {
    const int n_of_expert = std::exchange(expert_cursor_[static_cast<size_t>(expert)], begin);
    if (n_of_expert > 0) groups_.push_back({expert, begin, begin + n_of_expert});
    begin += n_of_expert;
  }
  for (int use = 0; use < n_uses; ++use)
    expert_uses_[static_cast<size_t>(expert_cursor_[static_cast<size_t>(experts[use])]++)] = use;
}

void ReferenceOps::moe_up_swiglu(const MoeUpArgs& args) {
  const Matrix& gate = args.gate.weight;
  const Matrix& up = args.up.weight;
  group_by_expert(args.experts, args.n, gate.count);
  pool_.parallel_for(
      static_cast<int64_t>(groups_.size()) * gate.rows, [&](int64_t item, int thread) {
        const ExpertGroup& group = groups_[static_cast<size_t>(item / gate.rows)];
        const int64_t i = item % gate.rows, bias_index = group.expert * gate.rows + i;
        const float* gate_row = decoded_row(gate, group.expert, i, thread, 0);
        const float* up_row = decoded_row(up, group.expert, i, thread, 1);
        for (int k = group.begin; k < group.end; ++k) {
          const int use = expert_uses_[static_cast<size_t>(k)];
          const float* x = args.x + use / kExpertsPerToken * gate.cols;
          args.activated[use * gate.rows + i] =
              swiglu(dot(gate_row, x, gate.cols) + args.gate.bias[bias_index],
                     dot(up_row, x, up.cols) + args.up.bias[bias_index]);
        }
      });
}

void ReferenceOps::moe_down_combine(const MoeDownArgs& args) {
  const Matrix& down = args.down.weight;
  group_by_expert(args.experts, args.n, down.count);
  pool_.parallel_for(static_cast<int64_t>(groups_.size()) * down.rows, [&](int64_t item,
                                                                           int thread) {
    const ExpertGroup& group = groups_[static_cast<size_t>(item / down.rows)];
    const int64_t i = item % down.rows;
    const float* row = decoded_row(down, group.expert, i, thread, 0);
    for (int k = group.begin; k < group.end; ++k) {
      const int64_t use = expert_uses_[static_cast<size_t>(k)];
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

// Router and experts.
#include <algorithm>
#include <span>

#include "base/check.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/product.inl.h"

namespace gptoss::kernels::cpu {
namespace {

// Calls body(first row, at most kProductRows of the uses) until all have been.
template <class Body>
void for_chunks(std::span<const int32_t> uses, Body body) {
  for (size_t begin = 0; begin < uses.size(); begin += kProductRows)
    body(static_cast<int64_t>(begin),
         uses.subspan(begin, std::min<size_t>(kProductRows, uses.size() - begin)));
}

// A group begins on a whole tile, so that up to one tile of each group before it is not full.
int64_t first_tile(const ExpertGroups::Group& group, int64_t index) {
  return group.begin / kInputRows + index;
}

}  // namespace

template <class RowOf>
CpuOps::Inputs CpuOps::prepare(const float* x, int64_t cols,
                               std::initializer_list<const Matrix*> users,
                               std::span<const ExpertGroups::Group> groups, RowOf row_of) {
  GPTOSS_CHECK(cols <= limits_.widest_row);
  if (!takes_tiles(users) || groups.empty()) return {x, nullptr, cols};
  const int64_t n_blocks = cols / kBlock, n_groups = std::ssize(groups);
  const int64_t n_tiles =
      first_tile(groups.back(), n_groups - 1) + tiles_of(std::ssize(groups.back().uses));
  pool_.parallel_for(n_tiles, [&](int64_t item, int) {
    int64_t index = n_groups - 1;
    while (first_tile(groups[static_cast<size_t>(index)], index) > item) --index;
    const ExpertGroups::Group& group = groups[static_cast<size_t>(index)];
    const int64_t first = (item - first_tile(group, index)) * kInputRows;
    const int64_t n = std::min<int64_t>(kInputRows, std::ssize(group.uses) - first);
    for (int64_t r = 0; r < n; ++r)
      kernels_.quantize(x + row_of(group.uses[static_cast<size_t>(first + r)]) * cols, n_blocks,
                        tile(item, n_blocks), static_cast<int>(r));
  });
  return {x, tiles_.data(), cols};
}

void CpuOps::route(const RouteArgs& args) {
  const Matrix& w = args.router.weight;
  float* const logits = router_logits_.as<float>();
  const Inputs inputs = prepare(args.x, args.n, w.cols, {&w});
  const Linear* const linears[] = {&args.router};
  product(linears, inputs, args.n,
          [&](size_t, int64_t row, int64_t first, const float* sums, int64_t n) {
            std::copy_n(sums, n, logits + row * w.rows + first);
          });
  pool_.parallel_for(args.n, [&](int64_t t, int) {
    BestExperts best(args.experts + t * kExpertsPerToken);
    for (int64_t e = 0; e < w.rows; ++e)
      best.offer(static_cast<int32_t>(e), logits[t * w.rows + e]);
    best.weigh(args.expert_weights + t * kExpertsPerToken);
  });
}

void CpuOps::moe_up_swiglu(const MoeUpArgs& args) {
  const Matrix& gate = args.gate.weight;
  const Matrix& up = args.up.weight;
  const auto groups = expert_groups_.sort(args.experts, args.n);
  const auto row_of = [](int32_t use) { return use / kExpertsPerToken; };
  const Inputs inputs = prepare(args.x, gate.cols, {&gate, &up}, groups, row_of);
  const int64_t n_panels = panels_of(gate.rows);
  pool_.parallel_for(std::ssize(groups) * n_panels, [&](int64_t item, int thread) {
    const ExpertGroups::Group& group = groups[static_cast<size_t>(item / n_panels)];
    const int64_t tiles = first_tile(group, item / n_panels);
    const int64_t index = item % n_panels, first = index * kPanelRows;
    const int64_t n_outputs = std::min<int64_t>(kPanelRows, gate.rows - first);
    float gate_bias[kPanelRows] = {}, up_bias[kPanelRows] = {};
    add_bias(args.gate.bias, group.expert * gate.rows + first, gate_bias, n_outputs);
    add_bias(args.up.bias, group.expert * gate.rows + first, up_bias, n_outputs);
    float* const out = workspace(thread).out;
    for_chunks(group.uses, [&](int64_t first_row, std::span<const int32_t> uses) {
      const int64_t at = tiles + first_row / kInputRows;
      const auto row = [&](size_t r) { return row_of(uses[r]); };
      const std::byte* const gates = panel(gate, group.expert, index);
      const std::byte* const ups = panel(up, group.expert, index);
      if (gate.type == up.type) {
        multiply(gate.type, gates, ups, inputs, at, uses.size(), row, out, thread);
      } else {
        multiply(gate.type, gates, nullptr, inputs, at, uses.size(), row, out, thread);
        multiply(up.type, ups, nullptr, inputs, at, uses.size(), row, out + kPanelRows, thread);
      }
      kernels_.swiglu(out, static_cast<int>(uses.size()), gate_bias, up_bias);
      for (size_t r = 0; r < uses.size(); ++r)
        std::copy_n(out + r * kProductWidth, n_outputs,
                    args.activated + uses[r] * gate.rows + first);
    });
  });
}

void CpuOps::moe_down_combine(const MoeDownArgs& args) {
  const Matrix& down = args.down.weight;
  const auto groups = expert_groups_.sort(args.experts, args.n);
  const auto row_of = [](int32_t use) { return use; };
  const Inputs inputs = prepare(args.activated, down.cols, {&down}, groups, row_of);
  const int64_t n_panels = panels_of(down.rows), n_pairs = (n_panels + 1) / 2;
  pool_.parallel_for(std::ssize(groups) * n_pairs, [&](int64_t item, int thread) {
    const ExpertGroups::Group& group = groups[static_cast<size_t>(item / n_pairs)];
    const int64_t tiles = first_tile(group, item / n_pairs);
    const int64_t index = item % n_pairs * 2, first = index * kPanelRows;
    const int64_t n_outputs = std::min<int64_t>(kProductWidth, down.rows - first);
    const std::byte* const second =
        index + 1 < n_panels ? panel(down, group.expert, index + 1) : nullptr;
    float* const out = workspace(thread).out;
    for_chunks(group.uses, [&](int64_t first_row, std::span<const int32_t> uses) {
      multiply(
          down.type, panel(down, group.expert, index), second, inputs,
          tiles + first_row / kInputRows, uses.size(), [&](size_t r) { return row_of(uses[r]); },
          out, thread);
      for (size_t r = 0; r < uses.size(); ++r) {
        add_bias(args.down.bias, group.expert * down.rows + first, out + r * kProductWidth,
                 n_outputs);
        std::copy_n(out + r * kProductWidth, n_outputs,
                    args.expert_out + uses[r] * down.rows + first);
      }
    });
  });
  pool_.parallel_for(args.n, [&](int64_t t, int) {
    const float* const weights = args.expert_weights + t * kExpertsPerToken;
    const float* const outs = args.expert_out + t * kExpertsPerToken * down.rows;
    for (int64_t i = 0; i < down.rows; ++i) {
      float sum = 0;
      for (int slot = 0; slot < kExpertsPerToken; ++slot)
        sum += weights[slot] * outs[slot * down.rows + i];
      args.residual[t * down.rows + i] += sum;
    }
  });
}

}  // namespace gptoss::kernels::cpu

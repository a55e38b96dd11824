// The float32 model, written like the paper. Slow on purpose where speed would cost clarity;
// parallel over rows so that tests with small models run fast.
#pragma once

#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "kernels/ops.h"

namespace gptoss::kernels::reference {

class ReferenceOps final : public Ops {
 public:
  explicit ReferenceOps(ThreadPool& pool) : pool_(pool) {}

  const char* name() const override { return "reference"; }
  const char* isa() const override { return "scalar"; }
  const char* arithmetic() const override { return "float32"; }
  size_t kv_element_bytes() const override { return sizeof(float); }
  size_t scratch_bytes(const Limits& limits) const override;
  void reserve(const Limits& limits) override;
  Matrix adopt(const Matrix& host) override { return host; }  // computes from the file's own bytes

  void embed(const EmbedArgs& args) override;
  void norm(const NormArgs& args) override;
  void qkv_rope_append(const QkvArgs& args) override;
  void attend(const AttendArgs& args) override;
  void project_residual(const ProjectArgs& args) override;
  void route(const RouteArgs& args) override;
  void moe_up_swiglu(const MoeUpArgs& args) override;
  void moe_down_combine(const MoeDownArgs& args) override;
  void logits(const LogitsArgs& args) override;
  void choose(const ChooseArgs& args) override;

 private:
  // Uses of one expert by the tokens of a step: entries [begin, end) of expert_uses_.
  struct ExpertGroup {
    int expert, begin, end;
  };

  // Calls store(row of x, output, W x + bias) for every output of the matrix and each of the n rows
  // of x (n, cols).
  template <typename Store>
  void linear(const Linear& linear, const float* x, int n, Store store);
  // Sorts the (token, slot) pairs of a step by expert, so that each expert's rows are decoded once.
  void group_by_expert(const int32_t* experts, int n, int64_t n_experts);
  // Weight row `row` of matrix `which`, decoded into this thread's scratch `slot` (0 or 1); (cols)
  // floats.
  const float* decoded_row(const Matrix& matrix, int64_t which, int64_t row, int thread, int slot);

  ThreadPool& pool_;  // borrowed
  Limits limits_;
  Buffer decoded_;                      // (threads, 2, widest_row) floats
  Buffer scores_;                       // (threads, n_positions) floats
  std::vector<int32_t> expert_uses_;    // (n_tokens * 4) pair numbers token * 4 + slot, by expert
  std::vector<int32_t> expert_cursor_;  // (n_experts) scratch of the counting sort
  std::vector<ExpertGroup> groups_;     // experts in use, ascending
  std::vector<sampling::Scratch> sampler_scratch_;  // (threads)
};

}  // namespace gptoss::kernels::reference

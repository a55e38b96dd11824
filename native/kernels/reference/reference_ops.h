// The float32 model, written like the paper. Slow on purpose where speed would cost clarity;
// parallel over rows so that tests with small models run fast.
#pragma once

#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "kernels/ops.h"
#include "kernels/routing.h"

namespace gptoss::kernels::reference {

class ReferenceOps final : public Ops {
 public:
  explicit ReferenceOps(ThreadPool& pool) : pool_(pool) {}

  const char* name() const override { return "reference"; }
  const char* isa() const override { return "scalar"; }
  const char* arithmetic() const override { return "float32"; }
  size_t head_page_bytes() const override;
  size_t scratch_bytes(const Limits& limits) const override;
  void reserve(const Limits& limits) override;
  void expect_weights(const WeightsPlan&) override {}
  std::optional<Matrix> restore(const Matrix&, Use) override { return std::nullopt; }
  bool finish_weights() override { return true; }
  size_t mapped_bytes() const override { return 0; }
  std::string weights_file() const override { return {}; }
  Matrix adopt(const Matrix& host, Use) override {
    return host;
  }  // computes from the file's own bytes

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
  // Calls store(row of x, output, W x + bias) for every output of the matrix and each of the n rows
  // of x (n, cols).
  template <typename Store>
  void linear(const Linear& linear, const float* x, int n, Store store);
  // Weight row `row` of matrix `which`, decoded into this thread's scratch `slot` (0 or 1); (cols)
  // floats.
  const float* decoded_row(const Matrix& matrix, int64_t which, int64_t row, int thread, int slot);

  ThreadPool& pool_;  // borrowed
  Limits limits_;
  Buffer decoded_;  // (threads, 2, widest_row) floats
  Buffer scores_;   // (threads, n_positions) floats
  ExpertGroups expert_groups_;
  std::vector<sampling::Scratch> sampler_scratch_;  // (threads)
};

}  // namespace gptoss::kernels::reference

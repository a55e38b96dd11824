// A device around a device: the same results, and a record of what each call took and did.
#pragma once

#include <span>
#include <vector>

#include <gptoss/profile.h>

#include "kernels/ops.h"

namespace gptoss::kernels {

class ProfilingOps final : public Ops {
 public:
  // The device is borrowed. Records nothing until told to.
  explicit ProfilingOps(Ops& device) : device_(device) {}

  // Forgets what was recorded; from now on, calls are recorded or passed on untouched.
  void record(bool is_wanted);
  // Since the last record(true), in order; valid until the next operation.
  std::span<const OpCall> calls() const { return calls_; }

  const char* name() const override { return device_.name(); }
  const char* isa() const override { return device_.isa(); }
  const char* arithmetic() const override { return device_.arithmetic(); }
  size_t head_page_bytes() const override { return device_.head_page_bytes(); }
  size_t scratch_bytes(const Limits& limits) const override {
    return device_.scratch_bytes(limits);
  }
  void reserve(const Limits& limits) override;
  void expect_weights(const WeightsPlan& plan) override { device_.expect_weights(plan); }
  std::optional<Matrix> restore(const Matrix& shape, Use use) override {
    return device_.restore(shape, use);
  }
  Matrix adopt(const Matrix& host, Use use) override { return device_.adopt(host, use); }
  bool finish_weights() override { return device_.finish_weights(); }
  size_t mapped_bytes() const override { return device_.mapped_bytes(); }
  std::string weights_file() const override { return device_.weights_file(); }

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
  template <typename Args, typename WorkOf>
  void call(const char* name, void (Ops::*operation)(const Args&), const Args& args,
            WorkOf work_of_args);
  // How many different experts n tokens chose.
  int n_distinct(const int32_t* experts, int n);

  Ops& device_;
  bool is_recording_ = false;
  std::vector<OpCall> calls_;
  std::vector<bool> is_chosen_;  // (n_experts) scratch
};

}  // namespace gptoss::kernels

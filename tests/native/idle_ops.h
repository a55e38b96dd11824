// A device that computes nothing, for tests to build on.
#pragma once

#include "kernels/ops.h"

namespace gptoss::testing {

class IdleOps : public kernels::Ops {
 public:
  const char* name() const override { return "idle"; }
  const char* isa() const override { return "abacus"; }
  const char* arithmetic() const override { return "int8"; }
  size_t head_page_bytes() const override { return size_t{2 * 64 * 64 * 2}; }
  size_t scratch_bytes(const kernels::Limits& limits) const override {
    return static_cast<size_t>(limits.n_tokens);
  }
  void reserve(const kernels::Limits&) override {}
  void expect_weights(const kernels::WeightsPlan&) override {}
  std::optional<kernels::Matrix> restore(const kernels::Matrix&, kernels::Use) override {
    return std::nullopt;
  }
  kernels::Matrix adopt(const kernels::Matrix& host, kernels::Use) override { return host; }
  bool finish_weights() override { return true; }
  size_t mapped_bytes() const override { return 0; }
  std::string weights_file() const override { return {}; }
  void embed(const kernels::EmbedArgs&) override {}
  void norm(const kernels::NormArgs&) override {}
  void qkv_rope_append(const kernels::QkvArgs&) override {}
  void attend(const kernels::AttendArgs&) override {}
  void project_residual(const kernels::ProjectArgs&) override {}
  void route(const kernels::RouteArgs&) override {}
  void moe_up_swiglu(const kernels::MoeUpArgs&) override {}
  void moe_down_combine(const kernels::MoeDownArgs&) override {}
  void logits(const kernels::LogitsArgs&) override {}
  void choose(const kernels::ChooseArgs&) override {}
};

}  // namespace gptoss::testing

// The device around a device: passes every call on, and records it only when told to.
#include <string>

#include "idle_ops.h"
#include "kernels/profiling/profiling_ops.h"
#include "kernels/work.h"
#include "testing.h"

using namespace gptoss;
using namespace gptoss::kernels;

namespace {

// A device that only notes what it was asked for.
class NotingOps final : public gptoss::testing::IdleOps {
 public:
  std::string seen;

  const char* name() const override { return "noting"; }
  void reserve(const Limits&) override { seen += "reserve "; }
  void embed(const EmbedArgs&) override { seen += "embed "; }
  void norm(const NormArgs&) override { seen += "norm "; }
  void qkv_rope_append(const QkvArgs&) override { seen += "qkv_rope_append "; }
  void attend(const AttendArgs&) override { seen += "attend "; }
  void project_residual(const ProjectArgs&) override { seen += "project_residual "; }
  void route(const RouteArgs&) override { seen += "route "; }
  void moe_up_swiglu(const MoeUpArgs&) override { seen += "moe_up_swiglu "; }
  void moe_down_combine(const MoeDownArgs&) override { seen += "moe_down_combine "; }
  void logits(const LogitsArgs&) override { seen += "logits "; }
  void choose(const ChooseArgs&) override { seen += "choose "; }
};

constexpr const char* kAll =
    "embed norm qkv_rope_append attend project_residual route moe_up_swiglu moe_down_combine "
    "logits choose ";

// Two tokens that chose five different experts of eight.
constexpr int32_t kExperts[] = {0, 1, 2, 3, 3, 7, 0, 1};

Linear experts() {
  return {{.type = quant::TensorType::mxfp4, .rows = 64, .cols = 32, .count = 8}, nullptr};
}

void call_all(Ops& ops) {
  ops.embed({});
  ops.norm({.n = 2, .hidden = 64});
  ops.qkv_rope_append({});
  ops.attend({});
  ops.project_residual({});
  ops.route({});
  ops.moe_up_swiglu({.experts = kExperts, .gate = experts(), .up = experts(), .n = 2});
  ops.moe_down_combine({.experts = kExperts, .down = experts(), .n = 2});
  ops.logits({});
  ops.choose({});
}

}  // namespace

TEST(it_is_the_device_it_wraps) {
  NotingOps device;
  ProfilingOps ops(device);
  CHECK_EQ(std::string(ops.name()), "noting");
  CHECK_EQ(std::string(ops.isa()), "abacus");
  CHECK_EQ(std::string(ops.arithmetic()), "int8");
  CHECK_EQ(ops.head_page_bytes(), size_t{16384});
  CHECK_EQ(ops.scratch_bytes({.n_tokens = 7}), size_t{7});
  ops.reserve({.n_experts = 8});
  CHECK_EQ(device.seen, "reserve ");
}

TEST(records_only_when_told_to) {
  NotingOps device;
  ProfilingOps ops(device);
  ops.reserve({.n_experts = 8});
  device.seen.clear();
  call_all(ops);
  CHECK_EQ(device.seen, kAll);
  CHECK(ops.calls().empty());
  ops.record(true);
  call_all(ops);
  CHECK_EQ(device.seen, std::string(kAll) + kAll);
  CHECK_EQ(ops.calls().size(), size_t{10});
  ops.record(false);
  CHECK(ops.calls().empty());
}

TEST(a_record_has_names_times_and_work) {
  NotingOps device;
  ProfilingOps ops(device);
  ops.reserve({.n_experts = 8});
  ops.record(true);
  call_all(ops);
  std::string names;
  double before = 0;
  for (const OpCall& call : ops.calls()) {
    names += std::string(call.name) + " ";
    CHECK(before <= call.begin && call.begin <= call.end);
    before = call.end;
  }
  CHECK_EQ(names, kAll);
  CHECK_EQ(ops.calls()[1].macs, work_of(NormArgs{.n = 2, .hidden = 64}).macs);
  const Work up = work_of(MoeUpArgs{.gate = experts(), .up = experts(), .n = 2}, 5);
  CHECK_EQ(ops.calls()[6].bytes, up.bytes);
  CHECK_EQ(ops.calls()[6].macs, up.macs);
  CHECK_EQ(ops.calls()[7].bytes, work_of(MoeDownArgs{.down = experts(), .n = 2}, 5).bytes);
}

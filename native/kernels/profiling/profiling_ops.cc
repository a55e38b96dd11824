#include "kernels/profiling/profiling_ops.h"

#include <algorithm>

#include "base/clock.h"
#include "kernels/work.h"

namespace gptoss::kernels {
namespace {

constexpr size_t kUsualCalls = 1024;  // of a step: some three times those of the deepest model

}  // namespace

void ProfilingOps::record(bool is_wanted) {
  is_recording_ = is_wanted;
  calls_.clear();
}

void ProfilingOps::reserve(const Limits& limits) {
  calls_.reserve(kUsualCalls);
  is_chosen_.resize(static_cast<size_t>(limits.n_experts));
  device_.reserve(limits);
}

template <typename Args, typename WorkOf>
void ProfilingOps::call(const char* name, void (Ops::*operation)(const Args&), const Args& args,
                        WorkOf work_of_args) {
  if (!is_recording_) return (device_.*operation)(args);
  const double begin = monotonic_seconds();
  (device_.*operation)(args);
  const double end = monotonic_seconds();
  const Work work = work_of_args();
  calls_.push_back({name, begin, end, work.bytes, work.macs});
}

int ProfilingOps::n_distinct(const int32_t* experts, int n) {
  std::fill(is_chosen_.begin(), is_chosen_.end(), false);
  for (int i = 0; i < n * kExpertsPerToken; ++i) is_chosen_[static_cast<size_t>(experts[i])] = true;
  return static_cast<int>(std::count(is_chosen_.begin(), is_chosen_.end(), true));
}

void ProfilingOps::embed(const EmbedArgs& args) {
  call("embed", &Ops::embed, args, [&] { return work_of(args); });
}
void ProfilingOps::norm(const NormArgs& args) {
  call("norm", &Ops::norm, args, [&] { return work_of(args); });
}
void ProfilingOps::qkv_rope_append(const QkvArgs& args) {
  call("qkv_rope_append", &Ops::qkv_rope_append, args,
       [&] { return work_of(args, head_page_bytes()); });
}
void ProfilingOps::attend(const AttendArgs& args) {
  call("attend", &Ops::attend, args, [&] { return work_of(args, head_page_bytes()); });
}
void ProfilingOps::project_residual(const ProjectArgs& args) {
  call("project_residual", &Ops::project_residual, args, [&] { return work_of(args); });
}
void ProfilingOps::route(const RouteArgs& args) {
  call("route", &Ops::route, args, [&] { return work_of(args); });
}
void ProfilingOps::moe_up_swiglu(const MoeUpArgs& args) {
  call("moe_up_swiglu", &Ops::moe_up_swiglu, args,
       [&] { return work_of(args, n_distinct(args.experts, args.n)); });
}
void ProfilingOps::moe_down_combine(const MoeDownArgs& args) {
  call("moe_down_combine", &Ops::moe_down_combine, args,
       [&] { return work_of(args, n_distinct(args.experts, args.n)); });
}
void ProfilingOps::logits(const LogitsArgs& args) {
  call("logits", &Ops::logits, args, [&] { return work_of(args); });
}
void ProfilingOps::choose(const ChooseArgs& args) {
  call("choose", &Ops::choose, args, [&] { return work_of(args); });
}

}  // namespace gptoss::kernels

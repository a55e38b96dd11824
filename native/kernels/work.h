// How much work operations are.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/ops.h"

namespace gptoss::kernels {

// What an operation costs at least, however it is done: the roofline's two numbers.
struct Work {
  uint64_t bytes = 0;  // weights, KV and activations moved
  uint64_t macs = 0;   // multiply-adds

  Work& operator+=(const Work& other) {
    bytes += other.bytes;
    macs += other.macs;
    return *this;
  }
};

// Contract 6: every operation has an overload here; the bench divides by it.
// `head_page_bytes`: as Ops has it. `n_distinct`: how many different experts the step touches.
Work work_of(const EmbedArgs& args);
Work work_of(const NormArgs& args);
Work work_of(const QkvArgs& args, size_t head_page_bytes);
Work work_of(const AttendArgs& args, size_t head_page_bytes);
Work work_of(const ProjectArgs& args);
Work work_of(const RouteArgs& args);
Work work_of(const MoeUpArgs& args, int n_distinct);
Work work_of(const MoeDownArgs& args, int n_distinct);
Work work_of(const LogitsArgs& args);
Work work_of(const ChooseArgs& args);

}  // namespace gptoss::kernels

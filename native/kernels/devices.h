// The devices that there are.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/ops.h"

namespace gptoss::kernels {

// The float32 model written like the paper; the truth every other device is compared with. The pool
// is borrowed.
std::unique_ptr<Ops> make_reference_ops(ThreadPool& pool);

// The CPU device on the best of cpu_isas(), or on the one that the environment's GPTOSS_CPU_ISA
// names. The pool is borrowed. compute: what inputs of products are rounded to, "int8" or "bf16".
// keep_in: a folder where packed weights wait for the next start; empty = nowhere. Throws
// RequestError for a name that is not among them.
std::unique_ptr<Ops> make_cpu_ops(ThreadPool& pool, std::string_view compute,
                                  const std::string& keep_in);
// Instruction sets that this machine and this build have kernels for, best first.
std::vector<std::string> cpu_isas(std::string_view compute);

}  // namespace gptoss::kernels

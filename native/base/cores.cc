#include "base/cores.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sched.h>
#include <thread>

namespace gptoss {
namespace {

int cores_of_affinity() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

std::optional<int> cores_of_group(const ControlGroup& group) {
  int64_t quota = 0, period = 0;  // microseconds
  if (group.is_version1) {        // a quota of -1 is no limit
    std::ifstream(group.folder / "cpu.cfs_quota_us") >> quota;
    std::ifstream(group.folder / "cpu.cfs_period_us") >> period;
  } else {  // "200000 100000" or "max 100000"
    std::ifstream(group.folder / "cpu.max") >> quota >> period;
  }
  if (quota <= 0 || period <= 0) return std::nullopt;
  const int64_t cores = quota / period + (quota % period != 0 ? 1 : 0);
  return static_cast<int>(std::min<int64_t>(cores, std::numeric_limits<int>::max()));
}

int usable_cores() {
  int cores = cores_of_affinity();
  for (const ControlGroup& group : control_groups("cpu"))
    cores = std::min(cores, cores_of_group(group).value_or(cores));
  return std::max(1, cores);
}

}  // namespace gptoss

// How many cores this process may keep busy.
#pragma once

#include <optional>

#include "base/control_groups.h"

namespace gptoss {

// Cores' worth of time that a group allows, rounded up; nullopt where it sets no limit.
std::optional<int> cores_of_group(const ControlGroup& group);

// At least 1: the cores in the affinity mask, or fewer where a control group allows less time.
int usable_cores();

}  // namespace gptoss

// The control groups (v1 or v2) that limit this process.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gptoss {

struct ControlGroup {
  std::filesystem::path folder;  // may not exist: inside a container the path may be the host's
  bool is_version1 = false;
};

// This process's groups for a controller such as "memory" or "cpu", and those above them.
// membership: as the system lists them; root: where groups are folders.
std::vector<ControlGroup> control_groups(
    const std::string& controller, const std::filesystem::path& membership = "/proc/self/cgroup",
    const std::filesystem::path& root = "/sys/fs/cgroup");

}  // namespace gptoss

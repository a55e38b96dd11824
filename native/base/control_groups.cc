#include "base/control_groups.h"

#include <fstream>

namespace gptoss {

namespace fs = std::filesystem;

std::vector<ControlGroup> control_groups(const std::string& controller, const fs::path& membership,
                                         const fs::path& root) {
  std::vector<ControlGroup> groups;
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {  // "4:memory:/a/b" (v1), "0::/a/b" (v2)
    const size_t controllers = line.find(':') + 1, path = line.find(':', controllers) + 1;
    if (controllers == 0 || path == 0) continue;
    const std::string names = line.substr(controllers, path - 1 - controllers);
    const bool is_version1 = ("," + names + ",").find("," + controller + ",") != std::string::npos;
    if (!names.empty() && !is_version1) continue;
    const fs::path top = is_version1 ? root / controller : root;
    fs::path folder = top;
    groups.push_back({folder, is_version1});
    for (const fs::path& part : fs::path(line.substr(path)).relative_path())
      groups.push_back({folder /= part, is_version1});
  }
  return groups;
}

}  // namespace gptoss

#include "base/memory.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#include "base/control_groups.h"

namespace gptoss {
namespace {

namespace fs = std::filesystem;

// The number after `key` in a file of lines "key number ...".
std::optional<size_t> number_after(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    size_t value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return std::nullopt;
}

// A file of one number; nullopt when it is missing or says "max".
std::optional<size_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  size_t value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

struct GroupFiles {
  const char *limit, *usage;
  const char* droppable[2];  // pages of files, used lately or not
};
constexpr GroupFiles kVersion1{
    "memory.limit_in_bytes", "memory.usage_in_bytes", {"total_inactive_file", "total_active_file"}};
constexpr GroupFiles kVersion2{"memory.max", "memory.current", {"inactive_file", "active_file"}};

// What one group has left; nullopt when it sets no limit.
std::optional<size_t> left_in_group(const fs::path& group, const GroupFiles& files) {
  const auto limit = number_in(group / files.limit);
  const auto usage = number_in(group / files.usage);
  if (!limit || !usage) return std::nullopt;
  size_t droppable = 0;
  for (const char* kind : files.droppable)
    droppable += number_after(group / "memory.stat", kind).value_or(0);
  const size_t held = *usage - std::min(*usage, droppable);
  return *limit - std::min(*limit, held);
}

// The least that this process's group and those above it have left.
std::optional<size_t> left_in_groups() {
  std::optional<size_t> least;
  for (const ControlGroup& group : control_groups("memory"))
    if (const auto left = left_in_group(group.folder, group.is_version1 ? kVersion1 : kVersion2))
      least = std::min(least.value_or(*left), *left);
  return least;
}

}  // namespace

std::optional<size_t> available_memory() {
  std::optional<size_t> system = number_after("/proc/meminfo", "MemAvailable:");
  if (system) *system *= 1024;  // the file counts in KiB
  const std::optional<size_t> group = left_in_groups();
  if (!system || !group) return system ? system : group;
  return std::min(*system, *group);
}

void drop_pages(std::span<const std::byte> mapped) noexcept {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(mapped.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(mapped.data()) + mapped.size()) / page * page;
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace gptoss

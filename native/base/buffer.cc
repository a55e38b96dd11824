#include "base/buffer.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <sys/mman.h>

#include <gptoss/error.h>

namespace gptoss {

Buffer::Buffer(size_t n_bytes, const char* purpose) {
  if (n_bytes == 0) return;
  // Anonymous mappings are zero-filled and committed on first touch, so a large context costs only
  // what is used.
  void* address = mmap(nullptr, n_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    throw OutOfMemoryError("cannot reserve " + std::to_string(n_bytes >> 20) + " MiB for " +
                           purpose + "; use a smaller context (n_ctx) or a smaller model");
  data_ = static_cast<std::byte*>(address);
  size_ = n_bytes;
}

void Buffer::release() noexcept {
  if (data_ != nullptr) munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

namespace {

// The number after `key` in a file of "key: number kB" lines, in bytes; 0 when absent.
size_t meminfo_bytes(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  size_t value = 0;
  while (file >> name >> value) {
    std::getline(file, unit);
    if (name == key) return value * 1024;
  }
  return 0;
}

// A control-group file holding one number, or "max" (no limit).
size_t cgroup_bytes(const char* path) {
  size_t value = 0;
  return std::ifstream(path) >> value ? value : std::numeric_limits<size_t>::max();
}

}  // namespace

size_t available_memory() {
  const size_t system = meminfo_bytes("MemAvailable:");
  const size_t limit = cgroup_bytes("/sys/fs/cgroup/memory.max");
  if (limit == std::numeric_limits<size_t>::max()) return system;
  const size_t used = cgroup_bytes("/sys/fs/cgroup/memory.current");
  const size_t group = used < limit ? limit - used : 0;
  return system == 0 ? group : std::min(system, group);
}

}  // namespace gptoss

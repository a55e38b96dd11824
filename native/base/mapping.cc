#include "base/mapping.h"

#include <sys/mman.h>
#include <unistd.h>

namespace gptoss {

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Mapping::Mapping(const FileDescriptor& file, uint64_t offset, size_t n_bytes) noexcept {
  // More addresses than needed, of which those before the first multiple of a huge page and those
  // behind the file go back.
  const size_t reserved = n_bytes + kHugePage;
  void* const room = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return;
  const auto begin = reinterpret_cast<uintptr_t>(room);
  const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t end = (first + n_bytes + page - 1) / page * page;
  void* const data = mmap(reinterpret_cast<void*>(first), n_bytes, PROT_READ,
                          MAP_SHARED | MAP_FIXED, file.get(), static_cast<off_t>(offset));
  if (data == MAP_FAILED) {
    munmap(room, reserved);
    return;
  }
  if (first > begin) munmap(room, first - begin);
  if (begin + reserved > end) munmap(reinterpret_cast<void*>(end), begin + reserved - end);
  // A wish: pages of 2 MiB, read from the disk as such.
  (void)madvise(data, n_bytes, MADV_HUGEPAGE);
  data_ = static_cast<std::byte*>(data);
  size_ = n_bytes;
}

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace gptoss

#include "gguf/file_map.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include <gptoss/error.h>

#include "base/mapping.h"

namespace gptoss::gguf {
namespace {

// The header of a gpt-oss file is about 13 MB: read ahead this much, the kernel's own read-ahead
// does the rest.
constexpr size_t kReadAhead = size_t{16} << 20;

std::string describe(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail_errno(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      throw ModelFileError(path + ": no such file; check the path");
    case EACCES:
    case EPERM:
      throw ModelFileError(path + ": permission denied; make the file readable for this user");
    default:
      throw ModelFileError(path + ": cannot open: " + describe(error));
  }
}

}  // namespace

FileMap FileMap::open(const std::string& path) {
  // O_NONBLOCK keeps a FIFO from blocking here; it has no effect on regular files.
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) fail_errno(path, errno);
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) fail_errno(path, errno);
  if (S_ISDIR(info.st_mode)) {
    throw ModelFileError(path + ": is a folder; name the .gguf file itself");
  }
  if (!S_ISREG(info.st_mode)) throw ModelFileError(path + ": is not a regular file");
  if (info.st_size == 0) throw ModelFileError(path + ": is empty; download it again");
  if (static_cast<uint64_t>(info.st_size) > SIZE_MAX) {
    throw ModelFileError(path + ": is too large for this platform's address space");
  }

  const size_t size = static_cast<size_t>(info.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) {
    const int error = errno;
    throw ModelFileError(path + ": cannot map " + std::to_string(size) +
                         " bytes: " + describe(error));
  }
  // Only a hint: a kernel that refuses it still reads the pages on demand.
  (void)::madvise(data, std::min(size, kReadAhead), MADV_WILLNEED);
  return FileMap(static_cast<const std::byte*>(data), size);
}

FileMap::FileMap(FileMap&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

FileMap::~FileMap() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace gptoss::gguf

// Part of a file, mapped read-only at an address that suits pages of 2 MiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace gptoss {

inline constexpr size_t kHugePage = size_t{2} << 20;

// A file descriptor, closed at the end.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();

  bool is_open() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

class Mapping {
 public:
  Mapping() = default;
  // offset: a multiple of kHugePage. data() is nullptr when the system refuses. Precondition: the
  // file has n_bytes from there on.
  Mapping(const FileDescriptor& file, uint64_t offset, size_t n_bytes) noexcept;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping();

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }  // bytes

 private:
  std::byte* data_ = nullptr;  // (size_) bytes, owned
  size_t size_ = 0;
};

}  // namespace gptoss

// Owned, page-aligned, zero-filled host memory that takes physical pages only where it is touched.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace gptoss {

class Buffer {
 public:
  Buffer() = default;
  // Throws OutOfMemoryError naming `purpose` when the address space cannot be had.
  Buffer(size_t n_bytes, const char* purpose);
  ~Buffer() { release(); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer taken(std::move(other));
    swap(taken);
    return *this;
  }

  // Asks for pages of 2 MiB: fewer address translations where all of it is read over and over.
  void prefer_huge_pages() const noexcept;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }  // bytes

  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  void release() noexcept;
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::byte* data_ = nullptr;  // (size_) bytes, owned
  size_t size_ = 0;
};

}  // namespace gptoss

// A file mapped read-only for the life of the object.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace gptoss::gguf {

// The mapping follows the file: whoever shrinks the file while it is mapped makes later reads fault
// (SIGBUS).
class FileMap {
 public:
  // Throws ModelFileError when the file is missing, unreadable, empty or not a regular file.
  static FileMap open(const std::string& path);

  FileMap(FileMap&& other) noexcept;
  FileMap(const FileMap&) = delete;
  FileMap& operator=(const FileMap&) = delete;
  ~FileMap();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  FileMap(const std::byte* data, size_t size) : data_(data), size_(size) {}

  const std::byte* data_;
  size_t size_;
};

}  // namespace gptoss::gguf

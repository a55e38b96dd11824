// Bounds-checked reading position in the bytes of one file; every failure names the file, the item
// and the byte.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace gptoss::gguf {

static_assert(std::endian::native == std::endian::little, "GGUF numbers are little-endian");

class Cursor {
 public:
  // `file` names the file in errors; it must outlive the cursor, as must `bytes`.
  Cursor(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  uint64_t offset() const { return pos_; }
  uint64_t remaining() const { return bytes_.size() - pos_; }

  // What is being read, for errors: ("key", its name), ("tensor", its name), ("header", "").
  void set_item(const char* kind, std::string_view name) {
    item_kind_ = kind;
    item_name_ = name;
  }

  // Next little-endian number.
  template <class T>
  T read(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what), sizeof(T));
    return value;
  }

  // Next string (uint64 length, then bytes), a view into the file. Its length must be in
  // [min_length, max_length].
  std::string_view read_string(const char* what, uint64_t min_length = 0,
                               uint64_t max_length = UINT64_MAX);

  // Next `n` bytes.
  const std::byte* take(uint64_t n, const char* what) {
    if (n > remaining()) fail_end(n, what);
    const std::byte* at = bytes_.data() + pos_;
    pos_ += static_cast<size_t>(n);
    return at;
  }

  // Throws ModelFileError "file: item: message (at byte N)".
  [[noreturn]] void fail(const std::string& message) const;

 private:
  [[noreturn]] void fail_end(uint64_t n, const char* what) const;

  std::span<const std::byte> bytes_;
  const std::string& file_;
  size_t pos_ = 0;
  const char* item_kind_ = "header";
  std::string_view item_name_;
};

// `text` from a file, quoted for an error message: unprintable bytes escaped, long text cut.
std::string quoted(std::string_view text);

}  // namespace gptoss::gguf

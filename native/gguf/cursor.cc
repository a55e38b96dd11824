#include "gguf/cursor.h"

#include <gptoss/error.h>

namespace gptoss::gguf {

std::string_view Cursor::read_string(const char* what, uint64_t min_length, uint64_t max_length) {
  const uint64_t length = read<uint64_t>(what);
  if (length < min_length || length > max_length) {
    fail(std::string(what) + " is " + std::to_string(length) + " bytes long, allowed are " +
         std::to_string(min_length) + " to " + std::to_string(max_length) +
         "; the file is damaged");
  }
  const std::byte* text = take(length, what);
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(length)};
}

void Cursor::fail(const std::string& message) const {
  std::string item = item_kind_;
  if (!item_name_.empty()) item.append(" ").append(quoted(item_name_));
  throw ModelFileError(file_ + ": " + item + ": " + message + " (at byte " + std::to_string(pos_) +
                       ")");
}

void Cursor::fail_end(uint64_t n, const char* what) const {
  fail(std::string(what) + " needs " + std::to_string(n) + " bytes but the file ends after " +
       std::to_string(remaining()) + " (its size is " + std::to_string(bytes_.size()) +
       "); it is cut off or damaged: download it again");
}

std::string quoted(std::string_view text) {
  constexpr size_t kLongest = 80;
  static const char* const kHex = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 0x0F]};
    }
  }
  return out + (text.size() > kLongest ? "...'" : "'");
}

}  // namespace gptoss::gguf

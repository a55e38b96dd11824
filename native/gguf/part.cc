#include "gguf/part.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <utility>

#include <gptoss/error.h>

#include "gguf/cursor.h"
#include "gguf/tensor_table.h"

namespace gptoss::gguf {
namespace {

// Far above any gpt-oss file (687 tensors, about 50 keys), far below what a damaged count could ask
// for.
constexpr uint64_t kMaxTensors = 1 << 16;
constexpr uint64_t kMaxKeys = 1 << 16;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMinAlignment = 8;  // GGUF's own rule; keeps every float in place
constexpr uint64_t kMaxAlignment = 1 << 16;

// What a file without GGUF's magic is, as far as its first bytes tell.
const char* guess_kind(std::string_view head) {
  if (head.starts_with("version https://git-lfs")) {
    return "a Git LFS pointer, not the model itself; run 'git lfs pull' or download the file";
  }
  if (head.starts_with("<")) return "a web page, not a model; download the file again";
  if (head.starts_with("PK") || head.starts_with("\x1f\x8b")) return "an archive; unpack it first";
  for (const char* old : {"lmgg", "fmgg", "tjgg"}) {
    if (head.starts_with(old)) return "an old GGML file from before GGUF; convert the model again";
  }
  if (head.starts_with("FUGG"))
    return "a big-endian GGUF file; convert the model again for little-endian";
  if (head.size() > 8 && head[8] == '{')
    return "a safetensors file; run 'gptoss convert' on its folder";
  return "not a GGUF file (it does not begin with 'GGUF')";
}

void check_magic(std::span<const std::byte> bytes, const std::string& file) {
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min<size_t>(bytes.size(), 32));
  if (!head.starts_with("GGUF")) throw ModelFileError(file + ": is " + guess_kind(head));
}

void check_version(const Cursor& cursor, uint32_t version) {
  if (version == 2 || version == 3) return;
  const std::string number = std::to_string(version);
  if (version == 1)
    cursor.fail("GGUF version 1 is not supported, only 2 and 3 are; convert the model again");
  if (__builtin_bswap32(version) <= 3 && version != 0) {
    cursor.fail("is a big-endian GGUF file; convert the model again for little-endian");
  }
  cursor.fail("GGUF version " + number +
              " is unknown, only 2 and 3 are supported; update gptoss-gguf");
}

uint64_t read_count(Cursor& cursor, const char* what, uint64_t limit) {
  const auto count = cursor.read<uint64_t>(what);
  if (count > limit) {
    cursor.fail(std::string(what) + " is " + std::to_string(count) + ", more than " +
                std::to_string(limit) + "; the file is damaged");
  }
  return count;
}

uint64_t find_alignment(const Metadata& metadata, const std::string& file) {
  const uint64_t alignment =
      find_uint(metadata, "general.alignment", file).value_or(kDefaultAlignment);
  if (!std::has_single_bit(alignment) || alignment < kMinAlignment || alignment > kMaxAlignment) {
    throw ModelFileError(file + ": key 'general.alignment': " + std::to_string(alignment) +
                         " is no power of two from 8 to 65536; the file is damaged");
  }
  return alignment;
}

}  // namespace

Part parse_part(std::span<const std::byte> bytes, const std::string& file, uint32_t file_index) {
  check_magic(bytes, file);
  Cursor cursor(bytes, file);
  cursor.take(4, "magic");
  check_version(cursor, cursor.read<uint32_t>("version"));
  const uint64_t n_tensors = read_count(cursor, "tensor count", kMaxTensors);
  const uint64_t n_keys = read_count(cursor, "key count", kMaxKeys);

  Part part;
  part.metadata = read_metadata(cursor, n_keys);
  const uint64_t alignment = find_alignment(part.metadata, file);
  std::vector<TableEntry> table = read_tensor_table(cursor, n_tensors, file_index);
  const uint64_t data_start = (cursor.offset() + alignment - 1) / alignment * alignment;
  part.tensors = place_tensors(std::move(table), bytes, data_start, alignment, file);
  return part;
}

}  // namespace gptoss::gguf

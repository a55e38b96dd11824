// The file of one stored page: a header that says which tokens it holds, then K and V of the full
// layers and, if it has them, of the sliding ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/family.h"
#include "base/mapping.h"
#include "kv/prefix_key.h"

namespace gptoss::kv {

// What all pages of a model have in common.
struct PageFormat {
  uint64_t identity = 0;  // hash of the model, the sizes below and the version of the format
  size_t full_bytes = 0;
  size_t window_bytes = 0;

  PageFormat() = default;
  PageFormat(const std::string& model, size_t n_full_bytes, size_t n_window_bytes);
  uint64_t file_bytes(bool has_window) const;
};

// As it lies in the file, little-endian.
struct PageHeader {
  char magic[8];
  uint32_t version;
  uint32_t flags;  // bit 0: with a window part; the others are 0
  uint32_t n_tokens;
  uint32_t unused;  // 0
  uint64_t identity;
  PrefixKey parent;
  PrefixKey key;
  int32_t tokens[kPageTokens];  // 0 behind n_tokens
  uint64_t full_checksum;
  uint64_t window_checksum;  // 0 without that part
  uint64_t header_checksum;  // of everything above

  bool has_window() const { return (flags & 1) != 0; }
  std::span<const int32_t> page_tokens() const { return {tokens, n_tokens}; }
};

struct PageFile {
  FileDescriptor file;
  PageHeader header = {};
};

enum class PageState { good, gone, damaged };

std::string page_name(const PrefixKey& parent, const PrefixKey& key);
bool is_page_name(const std::string& name);

// Opens a page and checks all but K and V. folder: an open descriptor. Gone: also what may not be
// opened.
PageState open_page(int folder, const std::string& name, const PageFormat& format, PageFile& page);
// K and V of a page that was opened: full: (full_bytes), window: (window_bytes), each nullptr if
// not wanted; the page has what is wanted. False if they are damaged.
bool read_page(const PageFile& page, const PageFormat& format, std::byte* full, std::byte* window);

inline constexpr char kDraftSuffix[] = ".draft";  // of files that are being written

// Writes a page that appears under its name as a whole or not at all; meanwhile it is `draft`, and
// locked. window: empty if the page has no such part. Returns 0 or an errno.
int write_page(int folder, const std::string& draft, const PageFormat& format,
               const PrefixKey& parent, std::span<const int32_t> tokens,
               std::span<const std::byte> full, std::span<const std::byte> window);
// Whether a draft's process ended, a minute ago or more, without giving it a name.
bool is_abandoned(int folder, const std::string& draft);

}  // namespace gptoss::kv

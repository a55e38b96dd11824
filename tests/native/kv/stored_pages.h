// A folder of stored pages for tests, and pages whose content follows from a number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "kv/page_store.h"
#include "temp_dir.h"
#include "testing.h"

namespace gptoss::testing {

inline constexpr size_t kFullBytes = 1003;  // no multiples of anything
inline constexpr size_t kWindowBytes = 613;
inline const kv::PrefixKey kParent{{0x1234567890abcdef, 42}};

using Tokens = std::vector<int32_t>;

inline Tokens numbered(int first, int n_tokens) {
  Tokens tokens(static_cast<size_t>(n_tokens));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

inline Tokens joined(Tokens first, const Tokens& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// What K and V of a page hold.
struct Content {
  std::vector<std::byte> full = std::vector<std::byte>(kFullBytes);
  std::vector<std::byte> window = std::vector<std::byte>(kWindowBytes);

  Content() = default;
  explicit Content(int seed) {
    for (size_t i = 0; i < kFullBytes; ++i)
      full[i] = static_cast<std::byte>(i * 7 + i / 251 + static_cast<size_t>(seed) * 13);
    for (size_t i = 0; i < kWindowBytes; ++i)
      window[i] = static_cast<std::byte>(i * 5 + i / 239 + static_cast<size_t>(seed) * 31);
  }
  friend bool operator==(const Content&, const Content&) = default;
};

struct PagesFolder {
  TempDir dir;
  std::string path = (dir.path() / "cache" / "prompts").string();

  kv::PageStore::Options options(uint64_t max_bytes = 1 << 20) const {
    return {.folder = path,
            .identity = "a model",
            .full_bytes = kFullBytes,
            .window_bytes = kWindowBytes,
            .max_bytes = max_bytes};
  }
  // The files below the folder, drafts too.
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
      if (!entry.is_directory()) found.push_back(entry.path());
    return found;
  }
  // Precondition: there is exactly one.
  std::string only_file() const {
    CHECK_EQ(files().size(), size_t{1});
    return files().front().string();
  }
};

inline bool save(kv::PageStore& store, const Tokens& tokens, int seed, bool has_window = true) {
  const Content content(seed);
  return store.save(kParent, tokens, content.full.data(),
                    has_window ? content.window.data() : nullptr);
}

// Whether the store has a page of exactly these tokens, with both parts, and the right ones.
inline bool holds(kv::PageStore& store, const Tokens& tokens, int seed) {
  const auto entry = store.find(kParent, tokens);
  if (!entry || entry->n_matched != std::ssize(tokens) || entry->n_tokens != entry->n_matched)
    return false;
  Content content;
  if (!store.load(*entry, tokens, content.full.data(), content.window.data())) return false;
  CHECK(content == Content(seed));
  return true;
}

inline std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

}  // namespace gptoss::testing

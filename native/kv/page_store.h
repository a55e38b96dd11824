// KV pages of prompts in a folder: a prompt that begins like an earlier one need not be computed
// again, not even after a restart. Several processes may share the folder.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kv/page_file.h"
#include "kv/page_folder.h"
#include "kv/prefix_key.h"

namespace gptoss::kv {

// Thread-safe; its lock is held for no file. Disk trouble is no error: what cannot be read is not
// there, what cannot be written is not kept, and a warning says so.
class PageStore {
 public:
  struct Options {
    std::string folder;       // made if it is missing
    std::string identity;     // model, arithmetic, layout: pages of another identity are never used
    size_t full_bytes = 0;    // of a page in the full layers
    size_t window_bytes = 0;  // of a page in the sliding layers
    uint64_t max_bytes = 0;   // of all pages in the folder; those not used for longest go first
  };
  // A stored page: the tokens behind `parent`.
  struct Entry {
    PrefixKey parent;
    PrefixKey key;      // of all tokens up to its end
    int n_tokens = 0;   // that it holds
    int n_matched = 0;  // leading ones that the prompt has, too
    bool has_window = false;
  };

  // Keeps nothing if the folder cannot be made, or if max_bytes is too small for a page.
  explicit PageStore(const Options& options);

  // The page behind `parent` that agrees with most of the leading `tokens` (what follows the parent
  // in a prompt; any length); of such pages one with a window part, if there is one.
  std::optional<Entry> find(const PrefixKey& parent, std::span<const int32_t> tokens);
  // Reads a page that find() found for these tokens. full: (full_bytes); window: (window_bytes);
  // each nullptr if not wanted. False if it is gone or damaged, and then they may hold anything.
  bool load(const Entry& entry, std::span<const int32_t> tokens, std::byte* full,
            std::byte* window);
  // Keeps a page of 1 to 64 tokens, for which nothing is to be done if it is there with all its
  // parts. window: nullptr if it has none. True if it is there afterwards.
  bool save(const PrefixKey& parent, std::span<const int32_t> tokens, const std::byte* full,
            const std::byte* window);
  // Makes a page the last one to go.
  void touch(const PrefixKey& parent, const PrefixKey& key);

  // Of all pages in the folder, as far as is known without looking.
  uint64_t n_bytes() const;
  // What went wrong since the last call, one line each. Nothing is said twice.
  std::vector<std::string> take_warnings();

 private:
  bool open_good(int bucket, const PrefixKey& parent, const std::string& name, PageFile& page);
  void remove_damaged(int bucket, const PrefixKey& parent, const std::string& name);
  void add(uint64_t n_bytes, uint64_t n_replaced);
  void trim();
  void warn(std::string text);
  void warn_not_kept(const std::string& why);
  uint64_t kept_bytes() const;

  Options options_;
  PageFormat format_;
  PageFolder folder_;
  bool is_on_ = false;
  std::string draft_prefix_;  // no other store's drafts begin with it
  std::atomic<uint64_t> n_drafts_{0};

  std::mutex trimming_;       // held by the one thread that trims; the others need not
  mutable std::mutex mutex_;  // guards what follows
  uint64_t n_bytes_ = 0;
  uint64_t n_uncounted_ = 0;  // bytes saved since the folder was counted
  std::vector<std::string> warnings_;
  std::vector<std::string> warned_;  // all there ever were
};

}  // namespace gptoss::kv

// Prefixes on disk behind those in memory: what is to be written, and what can be read back.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kv/kv_storage.h"
#include "kv/page_saver.h"
#include "kv/page_store.h"
#include "kv/prefix_tree.h"

namespace gptoss::kv {

class KvCache;

// Belongs to one cache, whose pages it reads and fills. Disk trouble is a warning, want of memory
// for it nothing: what is not written or read is computed again.
class DiskCache {
 public:
  DiskCache(KvCache& cache, const PageStore::Options& options);

  // The path to a node is to be written, as far as it is not on disk.
  void mark(int32_t leaf);
  // Hands over what is marked, as far as the disk follows. False: something is left.
  bool save();
  // Waits until it would hand over a page, at most so long.
  void wait_for_disk(std::chrono::milliseconds most) { saver_.wait_for_room(most); }
  bool has_marked() const { return next_marked_ < marked_.size(); }
  // The node is no more.
  void forget(int32_t node) { at(node) = {}; }

  // Reads up to n_most pages of this prompt that are not in memory. True once there are no more.
  bool restore(std::span<const int32_t> tokens, int n_most);

  std::vector<std::string> take_warnings() { return store_.take_warnings(); }

 private:
  struct Node {
    PrefixKey key;  // of all tokens up to its end, where it was needed
    bool has_key = false;
    bool is_marked = false;
    bool is_window_saved = false;
    int32_t n_saved = 0;  // tokens that are on disk, or on the way
  };

  Node& at(int32_t node) { return nodes_[static_cast<size_t>(node)]; }
  PrefixKey key_of(int32_t node);
  bool is_saved(int32_t node) const;
  bool offer_marked();
  bool read_behind(std::span<const int32_t> tokens, int n_most);
  void read_windows(std::span<const int32_t> path, int64_t n_matched);
  bool load(const PageStore::Entry& entry, std::span<const int32_t> tokens, int32_t page,
            int32_t window);
  int32_t read_page(int32_t parent, const PageStore::Entry& entry, std::span<const int32_t> tokens);

  KvCache& cache_;
  PageStore store_;
  PageSaver saver_;
  std::vector<Node> nodes_;      // by page
  std::vector<int32_t> marked_;  // to be written; some of them may have gone since
  size_t next_marked_ = 0;
  std::vector<int32_t> below_;  // scratch
};

}  // namespace gptoss::kv

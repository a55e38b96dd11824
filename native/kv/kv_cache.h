// The KV cache of all sequences: who holds which page, and which prefixes of earlier sequences can
// be gone on from.
//
// Full layers keep every page of a sequence, sliding layers only those in its window. Pages of
// tokens that have been computed are never written again, so sequences share them; the page that a
// sequence writes to is its own, and one that another sequence began is copied first. Pages that no
// sequence holds stay in the prefix tree until their room is wanted, the least recently used first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kv/disk_cache.h"
#include "kv/kv_storage.h"
#include "kv/page_pool.h"
#include "kv/prefix_tree.h"

namespace gptoss::kv {

class KvCache;

// The pages of one sequence, by position / 64. Gives them back at its end.
struct PageTable {
  PageTable() = default;
  ~PageTable();
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;

  std::vector<int32_t> full;    // page ids of full layers
  std::vector<int32_t> window;  // page ids of sliding layers; -1 where freed
  int64_t n_window_freed = 0;   // entries of `window` before this are -1
  int64_t n_in_tree = 0;        // leading pages that are nodes of the prefix tree, whole
  KvCache* cache = nullptr;     // set while it has pages; not owned
};

class KvCache {
 public:
  struct Size {
    int64_t n_tokens = 0;        // positions the full layers can hold, over all sequences
    int n_sequences = 0;         // most that hold pages at once
    int n_step_tokens = 0;       // most tokens appended in one step
    bool keeps_prefixes = true;  // false: nothing outlives its sequence
  };
  struct Prefix {
    int64_t n_tokens = 0;   // leading tokens that need not be computed again
    int64_t n_matched = 0;  // leading tokens that are known, but for their sliding layers
  };

  // The sliding layers never run out of pages before the full ones do.
  KvCache(const KvShape& shape, const Size& size);
  // Prefixes outlive the process from now on. folder, identity, max_bytes: as in PageStore.
  void keep_on_disk(const std::string& folder, const std::string& identity, uint64_t max_bytes);
  DiskCache* disk() { return disk_.get(); }  // nullptr: nothing is kept

  // The longest prefix of `tokens`, shorter than all of them, that can be gone on from; its pages
  // are now those of `table`, which must be empty. Copies at most one page of each group.
  Prefix resume(PageTable& table, std::span<const int32_t> tokens);
  // Pages of full layers that `resume` would share with sequences that have pages.
  int64_t n_pages_shared(std::span<const int32_t> tokens) const;
  // Tokens that `resume` would find.
  int64_t n_resumable(std::span<const int32_t> tokens) const;
  // Makes positions [0, n_tokens) of the table addressable. False when pages are short.
  bool extend(PageTable& table, int64_t n_tokens);
  // Lets others share the pages of `computed`, the leading tokens whose K and V are there, as far
  // as they are whole. `resume_at`: positions from which it is to be possible to go on, as it is
  // every 1,024 tokens. If one is the end of `computed`, a page begun is shared too.
  void keep(PageTable& table, std::span<const int32_t> computed,
            std::span<const int64_t> resume_at);
  // Frees the sliding layers' pages that no token at or after `next_position` can see.
  void free_behind_window(PageTable& table, int64_t next_position);
  void release(PageTable& table);  // the table is empty afterwards
  // Has the pages written to disk that are nodes of the tree.
  void save(const PageTable& table);
  void forget_prefixes();  // all that no sequence holds

  const KvStorage& storage() const { return storage_; }
  KvStorage& storage() { return storage_; }

  int32_t n_pages_total() const { return full_.n_total() + window_.n_total(); }
  // Held by sequences, and held by nobody but the prefix tree.
  int32_t n_pages_used() const { return full_.n_used() + window_.n_used() - n_pages_idle(); }
  int32_t n_pages_idle() const { return n_idle_full_ + n_idle_windows_; }
  // Full layers' pages that can be had.
  int32_t n_full_pages_available() const { return full_.n_free() + n_idle_full_; }
  // Throws InternalError unless every page is held exactly by these tables and the prefix tree.
  void check_integrity(std::span<const PageTable* const> tables) const;

 private:
  friend class DiskCache;

  int64_t longest_resumable(std::span<const int32_t> path, int64_t limit) const;
  void match(std::span<const int32_t> tokens) const;
  int32_t last_node(const PageTable& table) const;
  void keep_page(PageTable& table, int64_t index, std::span<const int32_t> tokens,
                 bool with_window);
  bool reclaim_full(int32_t n_wanted);
  bool reclaim_windows(int32_t n_wanted);
  void hold(PagePool& pool, int32_t page);  // one more reference of a sequence
  void drop(PagePool& pool, int32_t page);  // one less
  bool is_in_tree(const PagePool& pool, int32_t page) const;
  int32_t& n_idle(const PagePool& pool) { return &pool == &full_ ? n_idle_full_ : n_idle_windows_; }

  Size size_;
  PagePool full_, window_;
  PrefixTree tree_;
  KvStorage storage_;
  std::unique_ptr<DiskCache> disk_;
  int32_t n_idle_full_ = 0, n_idle_windows_ = 0;  // pages with one reference, the tree's
  mutable std::vector<int32_t> path_;             // scratch: nodes of the prefix last matched
  mutable int64_t n_matched_ = 0;                 // of its tokens
};

// The page of the first position that a token at `position` sees in a sliding layer.
int64_t first_page_seen(int64_t position);

// Pages that hold n tokens.
int64_t n_pages_for(int64_t n_tokens);

// Bytes that one more token of context takes; never 0. keeps_prefixes: with the pages of sliding
// layers that let prefixes be gone on from.
size_t bytes_per_token(const KvShape& shape, bool keeps_prefixes);
// Bytes of the sliding layers that do not grow with the context.
size_t window_bytes(const KvShape& shape, const KvCache::Size& size);

}  // namespace gptoss::kv

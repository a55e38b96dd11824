// The KV cache of all sequences: pages of 64 tokens for two groups of layers. Full layers keep
// every page of a sequence; sliding layers free those behind their window. Policy lives with the
// caller: this class only hands out, takes back and addresses pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "kv/page_pool.h"

namespace gptoss::kv {

struct KvShape {
  int n_layers = 0;
  int n_kv_heads = 0;
  size_t head_page_bytes = 0;  // of K and V of one head in a page, as the device has them

  int n_layers_of(bool sliding) const { return sliding ? (n_layers + 1) / 2 : n_layers / 2; }
  size_t layer_bytes() const;             // K and V of one page in one layer
  size_t page_bytes(bool sliding) const;  // of one page, all layers of the group
};

// The pages of one sequence, by position / 64.
struct PageTable {
  std::vector<int32_t> full;    // page ids of full layers
  std::vector<int32_t> window;  // page ids of sliding layers; -1 where freed
  int64_t n_window_freed = 0;   // leading entries of `window` that are -1
};

class KvCache {
 public:
  // n_tokens: positions the full layers can hold, over all sequences. n_sequences: most that hold
  // pages at once. n_step_tokens: most tokens appended in one step. The window group never runs out
  // before the full group does.
  KvCache(const KvShape& shape, int64_t n_tokens, int n_sequences, int n_step_tokens);

  // Makes positions [0, n_tokens) of the table addressable. False, and nothing changed, when pages
  // are short.
  bool extend(PageTable& table, int64_t n_tokens);
  // Frees the sliding layers' pages that no token at or after `next_position` can see.
  void free_behind_window(PageTable& table, int64_t next_position);
  void release(PageTable& table);  // frees everything; the table is empty afterwards

  // Start of a layer's K and V in page 0 of its group, and bytes from one page to the next.
  std::byte* layer_base(int layer) const;
  size_t page_stride(bool sliding) const { return shape_.page_bytes(sliding); }
  const KvShape& shape() const { return shape_; }

  int32_t n_pages_used() const { return full_.n_used() + window_.n_used(); }
  int32_t n_pages_total() const { return full_.n_total() + window_.n_total(); }
  int32_t n_full_pages_free() const { return full_.n_free(); }
  void check_integrity() const;

 private:
  KvShape shape_;
  PagePool full_, window_;
  Buffer full_storage_,
      window_storage_;  // (pages, layers of the group, kv_heads) of head_page_bytes
};

// Pages that hold n tokens.
int64_t n_pages_for(int64_t n_tokens);

// Bytes that one more token of context takes, in the full layers and the lists of their pages;
// never 0.
size_t bytes_per_token(const KvShape& shape);
// Bytes of the sliding layers' group, which does not grow with the context.
size_t window_bytes(const KvShape& shape, int n_sequences, int n_step_tokens);

}  // namespace gptoss::kv

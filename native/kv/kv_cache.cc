#include "kv/kv_cache.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/family.h"

namespace gptoss::kv {
namespace {

int32_t checked_page_count(int64_t n_pages) {
  GPTOSS_CHECK(n_pages >= 0 && n_pages <= std::numeric_limits<int32_t>::max());
  return static_cast<int32_t>(n_pages);
}

// A running sequence holds the window (at most 3 pages, unaligned) and the tokens of its share of
// the step.
int32_t n_window_pages(int n_sequences, int n_step_tokens) {
  return checked_page_count(int64_t{n_sequences} * (kWindow / kPageTokens + 2) +
                            n_pages_for(n_step_tokens));
}

}  // namespace

int64_t n_pages_for(int64_t n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

size_t bytes_per_token(const KvShape& shape) {
  constexpr size_t kBookkeeping = 4 * sizeof(int32_t);  // page lists and page tables
  return (shape.page_bytes(false) + kBookkeeping + kPageTokens - 1) / kPageTokens;
}

size_t window_bytes(const KvShape& shape, int n_sequences, int n_step_tokens) {
  return static_cast<size_t>(n_window_pages(n_sequences, n_step_tokens)) * shape.page_bytes(true);
}

size_t KvShape::layer_bytes() const { return static_cast<size_t>(n_kv_heads) * head_page_bytes; }

size_t KvShape::page_bytes(bool sliding) const {
  return layer_bytes() * static_cast<size_t>(n_layers_of(sliding));
}

KvCache::KvCache(const KvShape& shape, int64_t n_tokens, int n_sequences, int n_step_tokens)
    : shape_(shape),
      full_(checked_page_count(n_pages_for(n_tokens))),
      window_(n_window_pages(n_sequences, n_step_tokens)),
      full_storage_(static_cast<size_t>(full_.n_total()) * shape.page_bytes(false), "the KV cache"),
      window_storage_(static_cast<size_t>(window_.n_total()) * shape.page_bytes(true),
                      "the sliding-window KV cache") {}

bool KvCache::extend(PageTable& table, int64_t n_tokens) {
  const auto n_pages = static_cast<size_t>(n_pages_for(n_tokens));
  if (n_pages <= table.full.size()) return true;
  const auto n_more = static_cast<int32_t>(n_pages - table.full.size());
  if (full_.n_free() < n_more || window_.n_free() < n_more) return false;
  // Reserved before anything is taken: a page in nobody's table would be lost.
  table.full.reserve(n_pages);
  table.window.reserve(n_pages);
  while (table.full.size() < n_pages) {
    table.full.push_back(full_.take());
    table.window.push_back(window_.take());
  }
  return true;
}

void KvCache::free_behind_window(PageTable& table, int64_t next_position) {
  const int64_t first_seen = std::max<int64_t>(0, next_position - (kWindow - 1));
  const int64_t n_behind = std::min<int64_t>(first_seen / kPageTokens, std::ssize(table.window));
  for (; table.n_window_freed < n_behind; ++table.n_window_freed) {
    int32_t& page = table.window[static_cast<size_t>(table.n_window_freed)];
    window_.give_back(page);
    page = -1;
  }
}

void KvCache::release(PageTable& table) {
  for (const int32_t page : table.full) full_.give_back(page);
  for (const int32_t page : table.window)
    if (page >= 0) window_.give_back(page);
  table.full.clear();  // keeps its capacity: what is computed again needs it
  table.window.clear();
  table.n_window_freed = 0;
}

std::byte* KvCache::layer_base(int layer) const {
  GPTOSS_CHECK(layer >= 0 && layer < shape_.n_layers);
  const Buffer& storage = is_sliding_layer(layer) ? window_storage_ : full_storage_;
  return storage.data() + static_cast<size_t>(layer / 2) * shape_.layer_bytes();
}

void KvCache::check_integrity() const {
  full_.check_integrity();
  window_.check_integrity();
}

}  // namespace gptoss::kv

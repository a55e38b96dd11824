#include "kv/disk_cache.h"

#include <algorithm>
#include <new>

#include "base/check.h"
#include "kv/kv_cache.h"

namespace gptoss::kv {

DiskCache::DiskCache(KvCache& cache, const PageStore::Options& options)
    : cache_(cache),
      store_(options),
      saver_(store_, options.full_bytes, options.window_bytes),
      nodes_(static_cast<size_t>(cache.full_.n_total())) {
  marked_.reserve(nodes_.size());
}

// Of a node whose page is whole, or the root's.
PrefixKey DiskCache::key_of(int32_t node) {
  const PrefixTree& tree = cache_.tree_;
  below_.clear();
  int32_t known = node;
  for (; known != PrefixTree::kRoot && !at(known).has_key; known = tree.parent(known))
    below_.push_back(known);
  PrefixKey key = known == PrefixTree::kRoot ? PrefixKey{} : at(known).key;
  for (; !below_.empty(); below_.pop_back()) {
    key = key_after(key, tree.tokens(below_.back()));
    at(below_.back()).key = key;
    at(below_.back()).has_key = true;
  }
  return key;
}

bool DiskCache::is_saved(int32_t node) const {
  const Node& n = nodes_[static_cast<size_t>(node)];
  return n.n_saved == std::ssize(cache_.tree_.tokens(node)) &&
         (n.is_window_saved || cache_.tree_.window(node) == PrefixTree::kNone);
}

// --- Writing

void DiskCache::mark(int32_t leaf) {
  const PrefixTree& tree = cache_.tree_;
  const size_t first = marked_.size();
  for (int32_t node = leaf; node != PrefixTree::kRoot; node = tree.parent(node)) {
    if (at(node).is_marked || is_saved(node)) continue;
    if (marked_.size() == marked_.capacity()) break;  // of nodes that are gone: next time
    at(node).is_marked = true;
    marked_.push_back(node);
  }
  // The beginning first: without it the rest is of no use.
  std::reverse(marked_.begin() + static_cast<std::ptrdiff_t>(first), marked_.end());
}

bool DiskCache::save() {
  try {
    return offer_marked();
  } catch (const std::bad_alloc&) {
    return false;  // another time
  }
}

bool DiskCache::offer_marked() {
  const PrefixTree& tree = cache_.tree_;
  for (; next_marked_ < marked_.size(); ++next_marked_) {
    const int32_t node = marked_[next_marked_];
    // A page that has gone may have come back as another node, which is as good to save.
    if (!at(node).is_marked || !tree.has(node)) continue;
    const int32_t window = tree.window(node);
    if (!saver_.offer(key_of(tree.parent(node)), tree.tokens(node),
                      cache_.storage_.page(false, node),
                      window == PrefixTree::kNone ? nullptr : cache_.storage_.page(true, window)))
      return false;
    at(node).is_marked = false;
    at(node).n_saved = static_cast<int32_t>(tree.tokens(node).size());
    at(node).is_window_saved = window != PrefixTree::kNone;
  }
  marked_.clear();
  next_marked_ = 0;
  return true;
}

// --- Reading

bool DiskCache::restore(std::span<const int32_t> tokens, int n_most) {
  try {
    return read_behind(tokens, n_most);
  } catch (const std::bad_alloc&) {
    return true;  // what could not be looked for is not there
  }
}

bool DiskCache::read_behind(std::span<const int32_t> tokens, int n_most) {
  const PrefixTree& tree = cache_.tree_;
  cache_.match(tokens);
  // A prompt's last token is computed in any case.
  const int64_t n_wanted = std::ssize(tokens) - 1, n_whole = cache_.n_matched_ / kPageTokens;
  if (cache_.longest_resumable(cache_.path_, cache_.n_matched_) == n_wanted) return true;
  if (!cache_.path_.empty()) {
    cache_.tree_.touch(cache_.path_.back());
    read_windows(cache_.path_, cache_.n_matched_);
  }
  int32_t parent =
      n_whole == 0 ? PrefixTree::kRoot : cache_.path_[static_cast<size_t>(n_whole - 1)];
  auto rest = tokens.subspan(static_cast<size_t>(n_whole * kPageTokens));
  rest = rest.first(rest.size() - 1);
  for (int n = 0; n < n_most; ++n) {
    if (rest.empty()) return true;
    const auto known = tree.best_child(parent, rest);
    const auto entry = store_.find(key_of(parent), rest);
    if (!entry || entry->n_matched <= known.n_tokens) return true;
    const int32_t node = read_page(parent, *entry, rest);
    if (node == PrefixTree::kNone || entry->n_matched < kPageTokens) return true;
    parent = node;
    rest = rest.subspan(kPageTokens);
  }
  return false;
}

int32_t DiskCache::read_page(int32_t parent, const PageStore::Entry& entry,
                             std::span<const int32_t> tokens) {
  PrefixTree& tree = cache_.tree_;
  if (!cache_.reclaim_full(1)) return PrefixTree::kNone;
  const bool with_window = entry.has_window && cache_.reclaim_windows(1);
  // To make room, what was read before may have had to go.
  if (parent != PrefixTree::kRoot && !tree.has(parent)) return PrefixTree::kNone;
  const int32_t page = cache_.full_.take();
  const int32_t window = with_window ? cache_.window_.take() : PrefixTree::kNone;
  if (!load(entry, tokens, page, window)) {
    cache_.full_.give_back(page);
    if (with_window) cache_.window_.give_back(window);
    return PrefixTree::kNone;
  }
  tree.insert(page, parent, tokens.first(static_cast<size_t>(entry.n_matched)));
  ++cache_.n_idle_full_;
  if (with_window) {
    tree.set_window(page, window);
    ++cache_.n_idle_windows_;
  }
  at(page).n_saved = entry.n_matched;
  at(page).is_window_saved = entry.has_window;
  return page;
}

// The sliding layers of pages that are in memory without them, as far as work could go on behind
// them.
void DiskCache::read_windows(std::span<const int32_t> path, int64_t n_matched) {
  PrefixTree& tree = cache_.tree_;
  for (int64_t i = first_page_seen(n_matched); i < std::ssize(path); ++i) {
    const int32_t node = path[static_cast<size_t>(i)];
    if (tree.window(node) != PrefixTree::kNone) continue;
    const auto entry = store_.find(key_of(tree.parent(node)), tree.tokens(node));
    if (!entry || !entry->has_window || entry->n_matched < std::ssize(tree.tokens(node)) ||
        !cache_.reclaim_windows(1))
      return;
    const int32_t window = cache_.window_.take();
    if (!load(*entry, tree.tokens(node), PrefixTree::kNone, window)) {
      cache_.window_.give_back(window);
      return;
    }
    tree.set_window(node, window);
    ++cache_.n_idle_windows_;
    at(node).is_window_saved = true;
  }
}

// kNone: that part is not wanted. Where memory for a file's name is short, the page is not there.
bool DiskCache::load(const PageStore::Entry& entry, std::span<const int32_t> tokens, int32_t page,
                     int32_t window) {
  const KvStorage& storage = cache_.storage_;
  try {
    if (!store_.load(entry, tokens, page < 0 ? nullptr : storage.page(false, page),
                     window < 0 ? nullptr : storage.page(true, window)))
      return false;
    store_.touch(entry.parent, entry.key);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace gptoss::kv

#include "kv/kv_cache.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace gptoss::kv {
namespace {

constexpr int32_t kNone = PrefixTree::kNone;
constexpr int64_t kResumePages = 16;  // pages between two places where work can go on
constexpr int64_t kPagesPerWindow = kResumePages / 2;  // which take two of the sliding layers

int32_t checked_page_count(int64_t n_pages) {
  GPTOSS_CHECK(n_pages >= 0 && n_pages <= std::numeric_limits<int32_t>::max());
  return static_cast<int32_t>(n_pages);
}

// A running sequence holds the window (at most 3 pages, unaligned) and the tokens of its share of
// the step. For prefixes there are pages besides, for the ends of some prompts and answers.
int64_t n_least_window_pages(const KvCache::Size& size) {
  constexpr int64_t kOfPrefixes = 24;
  return int64_t{size.n_sequences} * (kWindow / kPageTokens + 2) + n_pages_for(size.n_step_tokens) +
         (size.keeps_prefixes ? kOfPrefixes : 0);
}

// And for every place at which prefixes can be gone on from.
int32_t n_window_pages(const KvCache::Size& size) {
  const int64_t n_kept = size.keeps_prefixes ? n_pages_for(size.n_tokens) / kPagesPerWindow : 0;
  return checked_page_count(n_least_window_pages(size) + n_kept);
}

// Whether the sliding layers' page is needed to go on at a multiple of kResumePages or at one of
// these positions; or one before it, since a prompt that ends there wants its last token's logits.
bool wants_window(int64_t page, std::span<const int64_t> resume_at) {
  return page % kResumePages >= kResumePages - 2 ||
         std::ranges::any_of(resume_at, [=](int64_t position) {
           return page >= first_page_seen(position - 1) && page <= (position - 1) / kPageTokens;
         });
}

std::span<const int32_t> tokens_of_page(std::span<const int32_t> tokens, int64_t page) {
  const auto rest = tokens.subspan(static_cast<size_t>(page * kPageTokens));
  return rest.first(std::min<size_t>(rest.size(), kPageTokens));
}

}  // namespace

int64_t first_page_seen(int64_t position) {
  return std::max<int64_t>(0, position - (kWindow - 1)) / kPageTokens;
}

int64_t n_pages_for(int64_t n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

size_t bytes_per_token(const KvShape& shape, bool keeps_prefixes) {
  // Page lists and tables, and the page's node with its tokens.
  constexpr size_t kBookkeeping = 4 * sizeof(int32_t) + (kPageTokens + 16) * sizeof(int32_t);
  const size_t n_kept = keeps_prefixes ? shape.page_bytes(true) / kPagesPerWindow : 0;
  return (shape.page_bytes(false) + n_kept + kBookkeeping + kPageTokens - 1) / kPageTokens;
}

size_t window_bytes(const KvShape& shape, const KvCache::Size& size) {
  return static_cast<size_t>(n_least_window_pages(size)) * shape.page_bytes(true);
}

PageTable::~PageTable() {
  if (cache == nullptr) return;
  try {
    cache->release(*this);
  } catch (const InternalError&) {
    // The cache is broken, and whoever found that has said so.
  }
}

KvCache::KvCache(const KvShape& shape, const Size& size)
    : size_(size),
      full_(checked_page_count(n_pages_for(size.n_tokens))),
      window_(n_window_pages(size)),
      tree_(full_.n_total(), window_.n_total()),
      storage_(shape, full_.n_total(), window_.n_total()) {
  path_.reserve(static_cast<size_t>(full_.n_total()));
}

void KvCache::keep_on_disk(const std::string& folder, const std::string& identity,
                           uint64_t max_bytes) {
  disk_ = std::make_unique<DiskCache>(*this,
                                      PageStore::Options{.folder = folder,
                                                         .identity = identity,
                                                         .full_bytes = storage_.page_stride(false),
                                                         .window_bytes = storage_.page_stride(true),
                                                         .max_bytes = max_bytes});
}

// The last page of the table that is a node of the tree.
int32_t KvCache::last_node(const PageTable& table) const {
  const auto n_whole = static_cast<size_t>(table.n_in_tree);
  if (n_whole < table.full.size() && tree_.has(table.full[n_whole])) return table.full[n_whole];
  return n_whole > 0 ? table.full[n_whole - 1] : kNone;
}

void KvCache::save(const PageTable& table) {
  if (disk_ == nullptr) return;
  if (const int32_t last = last_node(table); last != kNone) disk_->mark(last);
}

// --- Going on from a prefix

// Leaves the nodes of the longest known prefix in path_, and its length in n_matched_. It ends
// before the last token: that one's logits are wanted.
void KvCache::match(std::span<const int32_t> tokens) const {
  path_.clear();
  n_matched_ = 0;
  if (!size_.keeps_prefixes || tokens.empty()) return;
  auto rest = tokens.first(tokens.size() - 1);
  for (int32_t parent = PrefixTree::kRoot; !rest.empty();) {
    const auto [node, n] = tree_.best_child(parent, rest.first(std::min<size_t>(rest.size(), 64)));
    if (node == kNone) return;
    path_.push_back(node);
    n_matched_ += n;
    if (n < kPageTokens) return;
    rest = rest.subspan(kPageTokens);
    parent = node;
  }
}

// The last position up to `limit` whose window is in the pages of the path.
int64_t KvCache::longest_resumable(std::span<const int32_t> path, int64_t limit) const {
  for (int64_t position = limit; position > 0;
       position = (position - 1) / kPageTokens * kPageTokens) {
    const int64_t last = (position - 1) / kPageTokens;
    bool is_there = true;
    for (int64_t page = first_page_seen(position); page <= last; ++page)
      is_there = is_there && tree_.window(path[static_cast<size_t>(page)]) != kNone;
    if (is_there) return position;
  }
  return 0;
}

int64_t KvCache::n_pages_shared(std::span<const int32_t> tokens) const {
  const auto n = static_cast<size_t>(n_resumable(tokens) / kPageTokens);
  return std::ranges::count_if(std::span(path_).first(n),
                               [&](int32_t node) { return full_.n_references(node) > 1; });
}

int64_t KvCache::n_resumable(std::span<const int32_t> tokens) const {
  match(tokens);
  return longest_resumable(path_, n_matched_);
}

KvCache::Prefix KvCache::resume(PageTable& table, std::span<const int32_t> tokens) {
  GPTOSS_CHECK(table.full.empty());
  match(tokens);
  if (path_.empty()) return {};
  table.cache = this;
  tree_.touch(path_.back());
  Prefix prefix{longest_resumable(path_, n_matched_), n_matched_};
  const auto share_up_to = [&](int64_t position) {
    const int64_t first = first_page_seen(position);
    for (int64_t i = 0; i < position / kPageTokens; ++i) {
      const int32_t node = path_[static_cast<size_t>(i)];
      hold(full_, node);
      table.full.push_back(node);
      const int32_t window = i < first ? kNone : tree_.window(node);
      if (window != kNone) hold(window_, window);
      table.window.push_back(window);
    }
    table.n_window_freed = std::min(first, position / kPageTokens);
  };
  share_up_to(prefix.n_tokens);
  table.n_in_tree = std::ssize(table.full);
  if (prefix.n_tokens % kPageTokens == 0) return prefix;
  // The rest of the last page belongs to others: go on in a copy. What is copied must not be
  // reclaimed for it.
  const int32_t begun = path_[table.full.size()], begun_window = tree_.window(begun);
  hold(full_, begun);
  hold(window_, begun_window);
  const bool has_room = reclaim_full(1) && reclaim_windows(1);
  if (has_room) {
    table.full.push_back(full_.take());
    table.window.push_back(window_.take());
    storage_.copy_page(false, begun, table.full.back());
    storage_.copy_page(true, begun_window, table.window.back());
  }
  drop(full_, begun);
  drop(window_, begun_window);
  if (has_room) return prefix;
  release(table);
  match(tokens);  // what was reclaimed is gone
  prefix.n_tokens = longest_resumable(path_, n_matched_ / kPageTokens * kPageTokens);
  prefix.n_tokens -= prefix.n_tokens % kPageTokens;
  if (prefix.n_tokens == 0) return prefix;
  table.cache = this;
  share_up_to(prefix.n_tokens);
  table.n_in_tree = std::ssize(table.full);
  return prefix;
}

// --- Keeping prefixes

void KvCache::keep(PageTable& table, std::span<const int32_t> computed,
                   std::span<const int64_t> resume_at) {
  if (!size_.keeps_prefixes) return;
  const int64_t n = std::ssize(computed), n_whole = n / kPageTokens;
  for (int64_t i = table.n_in_tree; i < n_whole; ++i)
    keep_page(table, i, tokens_of_page(computed, i), wants_window(i, resume_at));
  // Pages that are known from before may lack their sliding layers.
  for (int64_t i = table.n_window_freed; i < table.n_in_tree; ++i)
    if (wants_window(i, resume_at)) keep_page(table, i, tokens_of_page(computed, i), true);
  table.n_in_tree = std::max(table.n_in_tree, n_whole);
  if (n % kPageTokens != 0 && std::ranges::find(resume_at, n) != resume_at.end())
    keep_page(table, n_whole, tokens_of_page(computed, n_whole), true);
}

// Makes the page with these tokens a node, or, where there is one with the same tokens, takes that
// one instead of the own. A page begun stays the sequence's own, which goes on writing behind the
// node's tokens.
void KvCache::keep_page(PageTable& table, int64_t index, std::span<const int32_t> tokens,
                        bool with_window) {
  const auto i = static_cast<size_t>(index);
  const int32_t parent = index == 0 ? PrefixTree::kRoot : table.full[i - 1];
  const bool is_whole = tokens.size() == kPageTokens;
  int32_t& page = table.full[i];
  if (tree_.has(page)) {
    tree_.extend(page, tokens);
  } else {
    const int32_t known = tree_.find_child(parent, tokens);
    if (known == kNone) {
      tree_.insert(page, parent, tokens);
      full_.share(page);
    } else if (is_whole) {
      hold(full_, known);
      drop(full_, page);
      page = known;
    } else if (tree_.window(known) != kNone) {
      return;
    } else {
      tree_.insert(page, parent, tokens);
      full_.share(page);
    }
  }
  const int32_t window = table.window[i];
  if (with_window && window != kNone && tree_.window(page) == kNone) {
    tree_.set_window(page, window);
    window_.share(window);
  }
}

void KvCache::forget_prefixes() {
  reclaim_windows(window_.n_total());
  reclaim_full(full_.n_total());
}

// --- Pages

bool KvCache::extend(PageTable& table, int64_t n_tokens) {
  const auto n_pages = static_cast<size_t>(n_pages_for(n_tokens));
  if (n_pages <= table.full.size()) return true;
  const auto n_more = static_cast<int32_t>(n_pages - table.full.size());
  if (n_full_pages_available() < n_more) return false;
  if (!reclaim_full(n_more) || !reclaim_windows(n_more)) return false;
  // Reserved before anything is taken: a page in nobody's table would be lost.
  table.full.reserve(n_pages);
  table.window.reserve(n_pages);
  table.cache = this;
  while (table.full.size() < n_pages) {
    table.full.push_back(full_.take());
    table.window.push_back(window_.take());
  }
  return true;
}

void KvCache::free_behind_window(PageTable& table, int64_t next_position) {
  const int64_t n_behind =
      std::min<int64_t>(first_page_seen(next_position), std::ssize(table.window));
  for (; table.n_window_freed < n_behind; ++table.n_window_freed) {
    int32_t& page = table.window[static_cast<size_t>(table.n_window_freed)];
    drop(window_, page);
    page = kNone;
  }
}

void KvCache::release(PageTable& table) {
  if (const int32_t last = last_node(table); last != kNone) tree_.touch(last);
  for (const int32_t page : table.full) drop(full_, page);
  for (const int32_t page : table.window)
    if (page != kNone) drop(window_, page);
  table.full.clear();  // keeps its capacity: what is computed again needs it
  table.window.clear();
  table.n_window_freed = table.n_in_tree = 0;
  table.cache = nullptr;
}

bool KvCache::is_in_tree(const PagePool& pool, int32_t page) const {
  return &pool == &full_ ? tree_.has(page) : tree_.node_of_window(page) != kNone;
}

void KvCache::hold(PagePool& pool, int32_t page) {
  if (is_in_tree(pool, page) && pool.n_references(page) == 1) --n_idle(pool);
  pool.share(page);
}

void KvCache::drop(PagePool& pool, int32_t page) {
  pool.give_back(page);
  if (is_in_tree(pool, page) && pool.n_references(page) == 1) ++n_idle(pool);
}

// Both: prefixes that nobody holds go, the least recently used first, until so many pages are free.
bool KvCache::reclaim_full(int32_t n_wanted) {
  for (int32_t node = tree_.by_use().oldest(); full_.n_free() < n_wanted && node != kNone;) {
    const int32_t next = tree_.by_use().newer(node);
    if (full_.n_references(node) == 1) {
      if (const int32_t window = tree_.window(node); window != kNone) {
        if (window_.n_references(window) == 1) --n_idle_windows_;
        tree_.set_window(node, kNone);
        window_.give_back(window);
      }
      tree_.remove_leaf(node);
      if (disk_ != nullptr) disk_->forget(node);
      --n_idle_full_;
      full_.give_back(node);
    }
    node = next;
  }
  return full_.n_free() >= n_wanted;
}

bool KvCache::reclaim_windows(int32_t n_wanted) {
  const LruList& windows = tree_.windows_by_use();
  for (int32_t node = windows.oldest(); window_.n_free() < n_wanted && node != kNone;) {
    const int32_t next = windows.newer(node), window = tree_.window(node);
    if (window_.n_references(window) == 1) {
      tree_.set_window(node, kNone);
      --n_idle_windows_;
      window_.give_back(window);
    }
    node = next;
  }
  return window_.n_free() >= n_wanted;
}

void KvCache::check_integrity(std::span<const PageTable* const> tables) const {
  full_.check_integrity();
  window_.check_integrity();
  tree_.check_integrity();
  std::vector<int32_t> held_full(static_cast<size_t>(full_.n_total())),
      held_window(static_cast<size_t>(window_.n_total()));
  for (const PageTable* table : tables) {
    for (const int32_t page : table->full) ++held_full.at(static_cast<size_t>(page));
    for (const int32_t page : table->window)
      if (page != kNone) ++held_window.at(static_cast<size_t>(page));
  }
  int32_t n_idle_full = 0, n_idle_windows = 0;
  const auto check = [&](const PagePool& pool, std::span<const int32_t> held, int32_t& n_idle) {
    for (int32_t page = 0; page < pool.n_total(); ++page) {
      const int32_t n_held = held[static_cast<size_t>(page)];
      GPTOSS_CHECK(pool.n_references(page) == n_held + (is_in_tree(pool, page) ? 1 : 0));
      if (n_held == 0 && pool.n_references(page) == 1) ++n_idle;
    }
  };
  check(full_, held_full, n_idle_full);
  check(window_, held_window, n_idle_windows);
  GPTOSS_CHECK(n_idle_full == n_idle_full_ && n_idle_windows == n_idle_windows_);
  // The page that a sequence writes to next is nobody else's.
  for (const PageTable* table : tables)
    for (auto i = static_cast<size_t>(table->n_in_tree); i < table->full.size(); ++i)
      GPTOSS_CHECK(held_full[static_cast<size_t>(table->full[i])] == 1);
}

}  // namespace gptoss::kv

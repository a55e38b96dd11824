#include "kv/prefix_tree.h"

#include <algorithm>

#include "base/check.h"

namespace gptoss::kv {
namespace {

int n_agreeing(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t n = std::min(a.size(), b.size());
  return static_cast<int>(std::mismatch(a.begin(), a.begin() + n, b.begin()).first - a.begin());
}

}  // namespace

PrefixTree::PrefixTree(int32_t n_pages, int32_t n_window_pages)
    : nodes_(static_cast<size_t>(n_pages)),
      node_of_window_(static_cast<size_t>(n_window_pages), kNone),
      by_use_(n_pages),
      windows_by_use_(n_pages) {}

PrefixTree::Match PrefixTree::best_child(int32_t parent, std::span<const int32_t> wanted) const {
  Match best;
  for (int32_t child = first_child(parent); child != kNone; child = at(child).next) {
    const int n = n_agreeing(tokens(child), wanted);
    if (n > best.n_tokens ||
        (n > 0 && n == best.n_tokens && window(best.node) == kNone && window(child) != kNone))
      best = {child, n};
  }
  return best;
}

int32_t PrefixTree::find_child(int32_t parent, std::span<const int32_t> wanted) const {
  int32_t child = first_child(parent);
  while (child != kNone && !std::ranges::equal(tokens(child), wanted)) child = at(child).next;
  return child;
}

void PrefixTree::insert(int32_t page, int32_t parent, std::span<const int32_t> tokens) {
  GPTOSS_CHECK(!tokens.empty() && tokens.size() <= kPageTokens);
  GPTOSS_CHECK(parent == kRoot || at(parent).n_tokens == kPageTokens);
  Node& node = at(page);
  int32_t& first = first_child(parent);
  node.parent = parent;
  node.first_child = node.previous = node.window = kNone;
  node.next = first;
  node.n_tokens = static_cast<int32_t>(tokens.size());
  std::ranges::copy(tokens, node.tokens.begin());
  if (first != kNone) at(first).previous = page;
  first = page;
  if (parent == kRoot)
    by_use_.add_newest(page);
  else
    by_use_.add_before(page, parent);
  ++n_nodes_;
}

void PrefixTree::extend(int32_t node, std::span<const int32_t> tokens) {
  Node& extended = at(node);
  GPTOSS_CHECK(has(node) && tokens.size() <= kPageTokens);
  GPTOSS_CHECK(n_agreeing(this->tokens(node), tokens) == extended.n_tokens);
  std::ranges::copy(tokens, extended.tokens.begin());
  extended.n_tokens = static_cast<int32_t>(tokens.size());
}

void PrefixTree::remove_leaf(int32_t node) {
  GPTOSS_CHECK(is_leaf(node));
  set_window(node, kNone);
  const Node& removed = at(node);
  if (removed.previous != kNone)
    at(removed.previous).next = removed.next;
  else
    first_child(removed.parent) = removed.next;
  if (removed.next != kNone) at(removed.next).previous = removed.previous;
  by_use_.remove(node);
  --n_nodes_;
}

void PrefixTree::set_window(int32_t node, int32_t window_page) {
  Node& changed = at(node);
  if (changed.window != kNone) {
    node_of_window_.at(static_cast<size_t>(changed.window)) = kNone;
    windows_by_use_.remove(node);
  }
  changed.window = window_page;
  if (window_page == kNone) return;
  GPTOSS_CHECK(node_of_window(window_page) == kNone);
  node_of_window_[static_cast<size_t>(window_page)] = node;
  windows_by_use_.add_newest(node);
}

void PrefixTree::touch(int32_t node) {
  for (; node != kRoot; node = at(node).parent) {
    by_use_.touch(node);
    if (at(node).window != kNone) windows_by_use_.touch(node);
  }
}

void PrefixTree::check_integrity() const {
  int32_t n_listed = 0, n_linked = 0;
  std::vector<bool> seen(nodes_.size(), false);
  for (int32_t node = by_use_.oldest(); node != kNone; node = by_use_.newer(node)) {
    ++n_listed;
    seen[static_cast<size_t>(node)] = true;
    const int32_t up = at(node).parent;
    GPTOSS_CHECK(up == kRoot || (has(up) && !seen[static_cast<size_t>(up)]));
    GPTOSS_CHECK(is_leaf(node) || at(node).n_tokens == kPageTokens);
    for (int32_t child = at(node).first_child; child != kNone; child = at(child).next) {
      GPTOSS_CHECK(at(child).parent == node && has(child));
      ++n_linked;
    }
    if (window(node) != kNone) GPTOSS_CHECK(node_of_window(window(node)) == node);
    GPTOSS_CHECK(windows_by_use_.has(node) == (window(node) != kNone));
  }
  for (int32_t child = first_of_root_; child != kNone; child = at(child).next) ++n_linked;
  GPTOSS_CHECK(n_listed == n_nodes_ && n_linked == n_nodes_);
}

}  // namespace gptoss::kv

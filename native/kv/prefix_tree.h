// Which page holds which tokens: a radix tree whose nodes are the pages themselves. Knows nothing
// of who else uses a page. Allocates nothing after its construction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/family.h"
#include "kv/lru_list.h"

namespace gptoss::kv {

// A node is named by its page of the full layers; it holds the tokens of that page, which follow
// those of its ancestors. Only a node with a whole page of tokens has children. It may have a page
// of the sliding layers besides: where these are there, work can go on behind the node.
class PrefixTree {
 public:
  static constexpr int32_t kRoot = -1;  // the parent of first pages
  static constexpr int32_t kNone = -1;

  struct Match {
    int32_t node = kNone;
    int n_tokens = 0;  // leading tokens of the node that agree
  };

  // Pages of the full and of the sliding layers.
  PrefixTree(int32_t n_pages, int32_t n_window_pages);

  // The child that agrees with most of `tokens`, at least with one; among equals one with a page of
  // the sliding layers.
  Match best_child(int32_t parent, std::span<const int32_t> tokens) const;
  // The child with exactly these tokens.
  int32_t find_child(int32_t parent, std::span<const int32_t> tokens) const;

  // Adds a leaf, used a little less recently than its parent. `page` has no node yet.
  void insert(int32_t page, int32_t parent, std::span<const int32_t> tokens);
  // Gives a leaf more tokens: `tokens` begins with those it has.
  void extend(int32_t node, std::span<const int32_t> tokens);
  void remove_leaf(int32_t node);
  void set_window(int32_t node, int32_t window_page);  // kNone: takes it away
  // The node and its ancestors are now the most recently used, a parent more than its children: so
  // the least recently used node of the tree, or of any part of it without its ancestors, is a
  // leaf.
  void touch(int32_t node);

  bool has(int32_t page) const { return by_use_.has(page); }
  bool is_leaf(int32_t node) const { return at(node).first_child == kNone; }
  int32_t parent(int32_t node) const { return at(node).parent; }
  int32_t window(int32_t node) const { return at(node).window; }
  std::span<const int32_t> tokens(int32_t node) const {
    return std::span(at(node).tokens).first(static_cast<size_t>(at(node).n_tokens));
  }
  // The node that has this page of the sliding layers, or kNone.
  int32_t node_of_window(int32_t window_page) const {
    return node_of_window_.at(static_cast<size_t>(window_page));
  }
  // Nodes from the least to the most recently used; and those with a page of the sliding layers.
  const LruList& by_use() const { return by_use_; }
  const LruList& windows_by_use() const { return windows_by_use_; }
  int32_t n_nodes() const { return n_nodes_; }

  // Throws InternalError unless links, order and counts agree.
  void check_integrity() const;

 private:
  struct Node {
    int32_t parent = kNone, first_child = kNone, previous = kNone, next = kNone;  // siblings
    int32_t window = kNone;
    int32_t n_tokens = 0;
    std::array<int32_t, kPageTokens> tokens;
  };

  Node& at(int32_t node) { return nodes_.at(static_cast<size_t>(node)); }
  const Node& at(int32_t node) const { return nodes_.at(static_cast<size_t>(node)); }
  int32_t& first_child(int32_t parent) {
    return parent == kRoot ? first_of_root_ : at(parent).first_child;
  }
  int32_t first_child(int32_t parent) const {
    return parent == kRoot ? first_of_root_ : at(parent).first_child;
  }

  std::vector<Node> nodes_;              // by page
  std::vector<int32_t> node_of_window_;  // by page of the sliding layers
  LruList by_use_, windows_by_use_;
  int32_t first_of_root_ = kNone;
  int32_t n_nodes_ = 0;
};

}  // namespace gptoss::kv

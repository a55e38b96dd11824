// Ids in order of their last use, linked through arrays: no operation allocates or searches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace gptoss::kv {

class LruList {
 public:
  static constexpr int32_t kNone = -1;

  explicit LruList(int32_t n_ids) : links_(static_cast<size_t>(n_ids)) {}

  int32_t oldest() const { return oldest_; }  // kNone when empty
  int32_t newer(int32_t id) const { return at(id).newer; }
  bool has(int32_t id) const { return at(id).is_listed; }

  void add_newest(int32_t id) { link(id, newest_, kNone); }
  // `id` becomes the next older one of `mark`.
  void add_before(int32_t id, int32_t mark) { link(id, at(mark).older, mark); }
  void remove(int32_t id) {
    Link& removed = at(id);
    GPTOSS_CHECK(removed.is_listed);
    (removed.older == kNone ? oldest_ : at(removed.older).newer) = removed.newer;
    (removed.newer == kNone ? newest_ : at(removed.newer).older) = removed.older;
    removed = {};
  }
  void touch(int32_t id) {
    remove(id);
    add_newest(id);
  }

 private:
  struct Link {
    int32_t older = kNone, newer = kNone;
    bool is_listed = false;
  };

  Link& at(int32_t id) { return links_.at(static_cast<size_t>(id)); }
  const Link& at(int32_t id) const { return links_.at(static_cast<size_t>(id)); }
  void link(int32_t id, int32_t older, int32_t newer) {
    GPTOSS_CHECK(!at(id).is_listed);
    at(id) = {older, newer, true};
    (older == kNone ? oldest_ : at(older).newer) = id;
    (newer == kNone ? newest_ : at(newer).older) = id;
  }

  std::vector<Link> links_;  // (n_ids)
  int32_t oldest_ = kNone, newest_ = kNone;
};

}  // namespace gptoss::kv

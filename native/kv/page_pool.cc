#include "kv/page_pool.h"

#include <algorithm>

#include "base/check.h"

namespace gptoss::kv {

PagePool::PagePool(int32_t n_pages) : references_(static_cast<size_t>(n_pages), 0) {
  free_.reserve(references_.size());
  // Low ids are handed out first, so a lightly used cache touches little memory.
  for (int32_t page = n_pages - 1; page >= 0; --page) free_.push_back(page);
}

int32_t PagePool::take() {
  GPTOSS_CHECK(!free_.empty());
  const int32_t page = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(page)] = 1;
  return page;
}

void PagePool::share(int32_t page) {
  GPTOSS_CHECK(references_.at(static_cast<size_t>(page)) > 0);
  ++references_[static_cast<size_t>(page)];
}

void PagePool::give_back(int32_t page) {
  GPTOSS_CHECK(references_.at(static_cast<size_t>(page)) > 0);
  if (--references_[static_cast<size_t>(page)] == 0) free_.push_back(page);
}

void PagePool::check_integrity() const {
  std::vector<bool> is_free(references_.size(), false);
  for (const int32_t page : free_) {
    GPTOSS_CHECK(!is_free.at(static_cast<size_t>(page)));
    is_free[static_cast<size_t>(page)] = true;
  }
  for (size_t page = 0; page < references_.size(); ++page)
    GPTOSS_CHECK(is_free[page] == (references_[page] == 0));
}

}  // namespace gptoss::kv

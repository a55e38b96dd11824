// Ids of fixed-size pages with reference counts. Knows nothing of what a page holds or where. Not
// thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gptoss::kv {

class PagePool {
 public:
  explicit PagePool(int32_t n_pages);

  int32_t n_total() const { return static_cast<int32_t>(references_.size()); }
  int32_t n_free() const { return static_cast<int32_t>(free_.size()); }
  int32_t n_used() const { return n_total() - n_free(); }
  int32_t n_references(int32_t page) const { return references_.at(static_cast<size_t>(page)); }

  int32_t take();                // a free page, now with one reference. Precondition: n_free() > 0
  void share(int32_t page);      // one more reference
  void give_back(int32_t page);  // one reference less; the last one frees the page

  // Throws InternalError unless every page is free exactly when nobody refers to it.
  void check_integrity() const;

 private:
  std::vector<int32_t> references_;  // (n_pages)
  std::vector<int32_t> free_;        // stack of free page ids
};

}  // namespace gptoss::kv

// The bytes of K and V: pages of 64 tokens for two groups of layers, full and sliding ones.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"

namespace gptoss::kv {

struct KvShape {
  int n_layers = 0;
  int n_kv_heads = 0;
  size_t head_page_bytes = 0;  // of K and V of one head in a page, as the device has them

  int n_layers_of(bool sliding) const { return sliding ? (n_layers + 1) / 2 : n_layers / 2; }
  size_t layer_bytes() const;             // K and V of one page in one layer
  size_t page_bytes(bool sliding) const;  // of one page, all layers of the group
};

class KvStorage {
 public:
  KvStorage(const KvShape& shape, int32_t n_full_pages, int32_t n_window_pages);

  const KvShape& shape() const { return shape_; }
  // Start of a layer's K and V in page 0 of its group, and bytes from one page to the next.
  std::byte* layer_base(int layer) const;
  size_t page_stride(bool sliding) const { return shape_.page_bytes(sliding); }
  // All layers of a page, page_bytes(sliding).
  std::byte* page(bool sliding, int32_t page) const;
  void copy_page(bool sliding, int32_t from, int32_t to);

 private:
  KvShape shape_;
  Buffer full_, window_;  // (pages, layers of the group, kv_heads) of head_page_bytes
};

}  // namespace gptoss::kv

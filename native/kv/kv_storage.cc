#include "kv/kv_storage.h"

#include <cstring>

#include "base/check.h"
#include "base/family.h"

namespace gptoss::kv {

size_t KvShape::layer_bytes() const { return static_cast<size_t>(n_kv_heads) * head_page_bytes; }

size_t KvShape::page_bytes(bool sliding) const {
  return layer_bytes() * static_cast<size_t>(n_layers_of(sliding));
}

KvStorage::KvStorage(const KvShape& shape, int32_t n_full_pages, int32_t n_window_pages)
    : shape_(shape),
      full_(static_cast<size_t>(n_full_pages) * shape.page_bytes(false), "the KV cache"),
      window_(static_cast<size_t>(n_window_pages) * shape.page_bytes(true),
              "the sliding-window KV cache") {}

std::byte* KvStorage::layer_base(int layer) const {
  GPTOSS_CHECK(layer >= 0 && layer < shape_.n_layers);
  const Buffer& group = is_sliding_layer(layer) ? window_ : full_;
  return group.data() + static_cast<size_t>(layer / 2) * shape_.layer_bytes();
}

std::byte* KvStorage::page(bool sliding, int32_t page) const {
  const size_t n_bytes = page_stride(sliding), begin = static_cast<size_t>(page) * n_bytes;
  const Buffer& group = sliding ? window_ : full_;
  GPTOSS_CHECK(page >= 0 && begin + n_bytes <= group.size());
  return group.data() + begin;
}

void KvStorage::copy_page(bool sliding, int32_t from, int32_t to) {
  std::memcpy(page(sliding, to), page(sliding, from), page_stride(sliding));
}

}  // namespace gptoss::kv

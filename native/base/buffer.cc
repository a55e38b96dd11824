#include "base/buffer.h"

#include <string>
#include <sys/mman.h>

#include <gptoss/error.h>

namespace gptoss {

Buffer::Buffer(size_t n_bytes, const char* purpose) {
  if (n_bytes == 0) return;
  // Anonymous mappings are zero-filled and committed on first touch, so a large context costs only
  // what is used.
  void* address = mmap(nullptr, n_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    throw OutOfMemoryError("cannot reserve " + std::to_string(n_bytes >> 20) + " MiB for " +
                           purpose + "; use a smaller context (n_ctx) or a smaller model");
  data_ = static_cast<std::byte*>(address);
  size_ = n_bytes;
}

void Buffer::prefer_huge_pages() const noexcept {
  if (data_ != nullptr) (void)madvise(data_, size_, MADV_HUGEPAGE);  // a wish
}

void Buffer::release() noexcept {
  if (data_ != nullptr) munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

}  // namespace gptoss

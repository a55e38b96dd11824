#include "kv/page_saver.h"

#include <algorithm>

namespace gptoss::kv {

PageSaver::PageSaver(PageStore& store, size_t full_bytes, size_t window_bytes) : store_(store) {
  for (Slot& slot : slots_) {
    slot.full.resize(full_bytes);
    slot.window.resize(window_bytes);
  }
  thread_ = std::thread([this] { work(); });
}

PageSaver::~PageSaver() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool PageSaver::offer(const PrefixKey& parent, std::span<const int32_t> tokens,
                      const std::byte* full, const std::byte* window) {
  Slot* slot = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (n_taken_ - n_written_ == kSlots) return false;
    slot = &slots_[n_taken_ % kSlots];
  }
  // Only this thread takes, and the other one does not look at slots that are not taken.
  slot->parent = parent;
  slot->n_tokens = tokens.size();
  slot->has_window = window != nullptr;
  std::ranges::copy(tokens, slot->tokens.begin());
  std::copy_n(full, slot->full.size(), slot->full.begin());
  if (window != nullptr) std::copy_n(window, slot->window.size(), slot->window.begin());
  {
    const std::lock_guard lock(mutex_);
    ++n_taken_;
  }
  changed_.notify_all();
  return true;
}

void PageSaver::wait_for_room(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, most, [this] { return n_taken_ - n_written_ < kSlots; });
}

void PageSaver::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_closing_ || n_written_ < n_taken_; });
    if (n_written_ == n_taken_) return;
    const Slot& slot = slots_[n_written_ % kSlots];
    lock.unlock();
    try {
      store_.save(slot.parent, std::span(slot.tokens).first(slot.n_tokens), slot.full.data(),
                  slot.has_window ? slot.window.data() : nullptr);
    } catch (...) {
      // Out of memory for a file name: the page is not kept.
    }
    lock.lock();
    ++n_written_;
    changed_.notify_all();
  }
}

}  // namespace gptoss::kv

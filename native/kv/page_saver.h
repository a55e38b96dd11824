// Writes pages to disk beside the thread that computes: takes copies, a few at a time.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/family.h"
#include "kv/page_store.h"

namespace gptoss::kv {

class PageSaver {
 public:
  // `store` is borrowed. Throws std::system_error where no thread can be had.
  PageSaver(PageStore& store, size_t full_bytes, size_t window_bytes);
  ~PageSaver();  // when all that was taken is written
  PageSaver(const PageSaver&) = delete;
  PageSaver& operator=(const PageSaver&) = delete;

  // Takes a copy of a page of K and V, which is then saved as by PageStore::save. False if as many
  // as it can hold are still to be written.
  bool offer(const PrefixKey& parent, std::span<const int32_t> tokens, const std::byte* full,
             const std::byte* window);
  // Waits until `offer` would take one, at most so long.
  void wait_for_room(std::chrono::milliseconds most);

 private:
  static constexpr int kSlots = 4;
  struct Slot {
    PrefixKey parent;
    std::array<int32_t, kPageTokens> tokens;
    size_t n_tokens = 0;
    bool has_window = false;
    std::vector<std::byte> full, window;  // sized once
  };

  void work();

  PageStore& store_;
  std::array<Slot, kSlots> slots_;  // a ring
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t n_taken_ = 0, n_written_ = 0;
  bool is_closing_ = false;
  std::thread thread_;
};

}  // namespace gptoss::kv

// The queue of one request's chunks from the engine thread to its caller. All its locking is in
// here.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>

#include <gptoss/engine.h>

namespace gptoss {

// Chunks that the caller has not taken yet are merged into one, so a slow caller costs no more than
// its output.
class Completion::Channel {
 public:
  Channel() = default;
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Engine's end.
  void push(Chunk&& chunk);
  void fail(std::exception_ptr error);  // delivered after what was pushed before
  bool is_cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  // Caller's end.
  std::optional<Chunk> next(std::optional<std::chrono::nanoseconds> timeout);
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  int fd();

 private:
  bool is_ready() const { return pending_.has_value() || error_ != nullptr || finished_; }
  void signal();
  void unsignal();

  std::mutex mutex_;
  std::condition_variable ready_;
  std::optional<Chunk> pending_;
  std::exception_ptr error_;
  bool finished_ = false;  // the last chunk has been taken
  int event_ = -1;         // eventfd that is readable while a chunk waits; made when asked for
  std::atomic<bool> cancelled_{false};
};

}  // namespace gptoss

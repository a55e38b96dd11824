// The queue of new requests from any thread to the engine thread. All its locking is in here.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/sequence.h"

namespace gptoss::engine {

class Inbox {
 public:
  // Throws RequestError after close.
  void put(std::unique_ptr<Sequence> sequence);
  // Moves everything to `into`, which must be empty. When `wait`, first waits until there is
  // something or the inbox is closed. False once it is closed. Allocates nothing.
  bool take_all(std::vector<std::unique_ptr<Sequence>>& into, bool wait);
  void close();
  bool is_closed() const { return closed_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Sequence>> sequences_;
  std::atomic<bool> closed_{false};  // written under the mutex
};

}  // namespace gptoss::engine

// The queue of new requests from any thread to the engine thread. All its locking is in here.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/sequence.h"

namespace gptoss::engine {

class Inbox {
 public:
  explicit Inbox(int n_most) : n_most_(n_most) {}

  // Throws QueueFullError, or RequestError after close. `n_waiting`: requests that the engine has
  // taken but not begun.
  void put(std::unique_ptr<Sequence> sequence, int n_waiting);
  // Moves everything to `into`. When `wait`, first waits until there is something or the inbox is
  // closed. False once it is closed.
  bool take_all(std::vector<std::unique_ptr<Sequence>>& into, bool wait);
  void close();
  int n_waiting();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Sequence>> sequences_;
  const int n_most_;
  bool closed_ = false;
};

}  // namespace gptoss::engine

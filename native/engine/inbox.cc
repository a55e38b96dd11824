#include "engine/inbox.h"

#include <iterator>
#include <string>
#include <utility>

#include <gptoss/error.h>

namespace gptoss::engine {

void Inbox::put(std::unique_ptr<Sequence> sequence, int n_waiting) {
  const std::lock_guard lock(mutex_);
  if (closed_) throw RequestError("the engine is closed");
  if (n_waiting + std::ssize(sequences_) >= n_most_)
    throw QueueFullError("the queue is full (" + std::to_string(n_most_) +
                         " requests wait); try again later");
  sequences_.push_back(std::move(sequence));
  changed_.notify_one();
}

bool Inbox::take_all(std::vector<std::unique_ptr<Sequence>>& into, bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) changed_.wait(lock, [this] { return closed_ || !sequences_.empty(); });
  into.insert(into.end(), std::make_move_iterator(sequences_.begin()),
              std::make_move_iterator(sequences_.end()));
  sequences_.clear();
  return !closed_;
}

void Inbox::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_one();
}

int Inbox::n_waiting() {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(sequences_.size());
}

}  // namespace gptoss::engine

#include "engine/inbox.h"

#include <utility>

#include <gptoss/error.h>

namespace gptoss::engine {

void Inbox::put(std::unique_ptr<Sequence> sequence) {
  const std::lock_guard lock(mutex_);
  if (closed_) throw RequestError("the engine is closed");
  sequences_.push_back(std::move(sequence));
  changed_.notify_one();
}

bool Inbox::take_all(std::vector<std::unique_ptr<Sequence>>& into, bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) changed_.wait(lock, [this] { return closed_ || !sequences_.empty(); });
  into.swap(sequences_);
  return !closed_;
}

void Inbox::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_one();
}

}  // namespace gptoss::engine

#include "engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace gptoss::engine {

Scheduler::Scheduler(kv::KvCache& cache, Limits limits) : cache_(cache), limits_(limits) {
  step_.reserve(static_cast<size_t>(limits.max_sequences));
  running_.reserve(static_cast<size_t>(limits.max_sequences));
}

void Scheduler::add(std::unique_ptr<Sequence>&& sequence) {
  waiting_.push_back(std::move(sequence));
}

std::span<const SequenceShare> Scheduler::schedule() {
  step_.clear();
  budget_ = limits_.n_step_tokens;
  preempted_ = false;
  // By index: placing may preempt from the back of the list.
  for (size_t i = 0; i < running_.size(); ++i)
    if (running_[i]->n_to_compute() == 1) place(*running_[i]);
  for (size_t i = 0; i < running_.size(); ++i)
    if (running_[i]->n_to_compute() > 1) place(*running_[i]);
  while (place_next_waiting()) {
  }
  return step_;
}

void Scheduler::place(Sequence& sequence) {
  if (budget_ == 0) return;
  const int n_tokens = static_cast<int>(std::min<int64_t>(budget_, sequence.n_within_step()));
  while (!cache_.extend(sequence.pages, sequence.n_computed + n_tokens)) {
    const bool is_youngest = running_.back().get() == &sequence;
    // Alone, a sequence always fits.
    GPTOSS_CHECK(running_.size() > 1);
    preempt_youngest();
    if (is_youngest) return;
  }
  step_.push_back({&sequence, n_tokens});
  budget_ -= n_tokens;
}

bool Scheduler::place_next_waiting() {
  if (preempted_ || waiting_.empty() || budget_ == 0 || n_running() == limits_.max_sequences)
    return false;
  Sequence& next = *waiting_.front();
  // A newcomer displaces nobody, and starts only when it can get as far as its first new token.
  const int64_t n_wanted = std::min<int64_t>(std::ssize(next.tokens) + 1, next.n_most);
  if (cache_.n_full_pages_free() < kv::n_pages_for(n_wanted)) return false;
  const int n_tokens = static_cast<int>(std::min<int64_t>(budget_, next.n_within_step()));
  if (!cache_.extend(next.pages, n_tokens)) return false;
  running_.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
  step_.push_back({&next, n_tokens});
  budget_ -= n_tokens;
  return true;
}

void Scheduler::preempt_youngest() {
  waiting_.push_front(std::move(running_.back()));
  running_.pop_back();
  preempted_ = true;
  ++n_preempted_;
  Sequence& youngest = *waiting_.front();
  const auto placed = std::find_if(step_.begin(), step_.end(), [&](const SequenceShare& share) {
    return share.sequence == &youngest;
  });
  if (placed != step_.end()) {
    budget_ += placed->n_tokens;
    step_.erase(placed);
  }
  cache_.release(youngest.pages);
  youngest.n_computed = 0;
}

void Scheduler::remove(Sequence* sequence) {
  cache_.release(sequence->pages);
  std::erase_if(running_, [=](const auto& owned) { return owned.get() == sequence; });
  std::erase_if(waiting_, [=](const auto& owned) { return owned.get() == sequence; });
}

bool Scheduler::holds(const Sequence* sequence) const {
  bool found = false;
  visit_while([&](const Sequence& other) { return !(found = &other == sequence); });
  return found;
}

}  // namespace gptoss::engine

// Decides which tokens the next step computes. Owns the sequences and their pages; computes
// nothing.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "engine/sequence.h"
#include "kv/kv_cache.h"

namespace gptoss::engine {

// First come, first served: sequences that generate go first, one token each; what is left of the
// step's budget goes to prompts in order of arrival. When pages run out, the youngest sequence
// gives its pages back and is computed again later, which by batch invariance changes nothing but
// time.
class Scheduler {
 public:
  struct Limits {
    int n_step_tokens;  // most tokens of a step
    int max_sequences;  // most sequences that hold pages
  };

  // `cache` is borrowed and must hold at least one sequence of the longest length.
  Scheduler(kv::KvCache& cache, Limits limits);

  // Takes the sequence unless it throws.
  void add(std::unique_ptr<Sequence>&& sequence);
  // The next step; empty when there is nothing to do. Valid until the next call of any function.
  std::span<const SequenceShare> schedule();
  // Ends a sequence and frees its pages.
  void remove(Sequence* sequence);

  // Calls visit(Sequence&) for every sequence, running and waiting, until it returns false.
  template <typename Visit>
  void visit_while(Visit visit) const {
    for (const auto& sequence : running_)
      if (!visit(*sequence)) return;
    for (const auto& sequence : waiting_)
      if (!visit(*sequence)) return;
  }
  bool holds(const Sequence* sequence) const;
  int n_running() const { return static_cast<int>(running_.size()); }
  int n_waiting() const { return static_cast<int>(waiting_.size()); }
  int64_t n_preempted() const { return n_preempted_; }
  bool is_empty() const { return running_.empty() && waiting_.empty(); }

 private:
  void place(Sequence& sequence);
  bool place_next_waiting();
  void preempt_youngest();

  kv::KvCache& cache_;
  Limits limits_;
  std::deque<std::unique_ptr<Sequence>> waiting_;   // oldest first
  std::vector<std::unique_ptr<Sequence>> running_;  // oldest first
  std::vector<SequenceShare> step_;
  int budget_ = 0;          // tokens left in the step being made
  bool preempted_ = false;  // by the step being made
  int64_t n_preempted_ = 0;
};

}  // namespace gptoss::engine

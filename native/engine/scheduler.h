// Decides which tokens the next step computes. Owns the sequences; computes nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/clients.h"
#include "engine/sequence.h"
#include "kv/kv_cache.h"

namespace gptoss::engine {

// Sequences that generate go first, one token each and what was drafted for them. Prompts share
// what is left of the step, or what the caller grants them beside sequences that generate: half
// goes to who is next in line, the rest to whoever needs least, so that neither a long prompt nor a
// stream of short ones holds up the others.
//
// Next in line is the highest rank, then the client that has had least, then the oldest. The rank
// is the request's priority and rises by one for every kStepsPerRank steps that bring it
// nothing, so nobody waits for ever. When pages run out, the lowest rank, then the youngest, gives
// its pages back and is computed again later, which by batch invariance changes nothing but time.
class Scheduler {
 public:
  static constexpr uint64_t kStepsPerRank = 1024;

  struct Limits {
    int n_step_tokens;  // most tokens of a step
    int max_sequences;  // most sequences that hold pages
  };

  // `cache` is borrowed and must hold at least one sequence of the longest length.
  Scheduler(kv::KvCache& cache, Limits limits);

  // Takes the sequence unless it throws.
  void add(std::unique_ptr<Sequence>&& sequence);
  // The next step; empty when there is nothing to do. n_prompt_tokens: most tokens of prompts
  // beside sequences that generate. Valid until the next call of any function.
  std::span<const SequenceShare> schedule(int n_prompt_tokens);
  // Ends a sequence and frees its pages.
  void remove(Sequence* sequence);
  // The running sequence that has to give way first loses its pages and waits. False if none runs.
  bool preempt_last();

  // Calls visit(Sequence&) for every sequence, running and waiting, until it returns false.
  template <typename Visit>
  void visit_while(Visit visit) const {
    for (const auto& sequence : running_)
      if (!visit(*sequence)) return;
    for (const auto& sequence : waiting_)
      if (!visit(*sequence)) return;
  }
  std::span<const std::unique_ptr<Sequence>> running() const { return running_; }
  bool holds(const Sequence* sequence) const;
  int n_running() const { return static_cast<int>(running_.size()); }
  int n_waiting() const { return static_cast<int>(waiting_.size()); }
  int64_t n_preempted() const { return n_preempted_; }
  bool is_empty() const { return running_.empty() && waiting_.empty(); }
  // Throws InternalError unless the cache's pages are exactly those of these sequences.
  void check_integrity() const;

 private:
  using Sequences = std::vector<std::unique_ptr<Sequence>>;

  void admit_waiting();
  Sequence* next_waiting();
  bool displaces_somebody(const Sequence& next) const;
  bool make_room(const Sequence& next);
  bool has_room(const Sequence& next) const;
  bool finds_leader(Sequence& sequence);
  bool restore(Sequence& sequence);
  void admit(Sequence& sequence);
  void share_out_prompts(int n_tokens);
  void place(Sequence& sequence, int n_tokens, int n_drafted);
  Sequence* last_in_line() const;
  bool is_running(const Sequence* sequence) const;
  void retire(Sequence& sequence);
  static int rank_of(const Sequence& sequence, uint64_t n_steps_waited);

  kv::KvCache& cache_;
  Limits limits_;
  Clients clients_;
  Sequences waiting_, running_;  // oldest first; in order of admission
  std::vector<SequenceShare> step_;
  std::vector<Sequence*> generating_, prompts_;  // scratch: those that run
  int budget_ = 0;                               // tokens left in the step being made
  uint64_t n_steps_ = 0, n_arrived_ = 0;
  int64_t n_preempted_ = 0;
};

}  // namespace gptoss::engine

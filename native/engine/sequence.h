// One request while the engine works on it.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include <gptoss/engine.h>

#include "engine/channel.h"
#include "engine/clients.h"
#include "engine/drafter.h"
#include "engine/speculation.h"
#include "kv/kv_cache.h"
#include "sampling/sampler.h"

namespace gptoss::engine {

inline constexpr int kMostDrafted = 15;  // tokens of one sequence and step

struct Sequence {
  Request request;
  std::shared_ptr<Completion::Channel> channel;
  sampling::Params params;

  std::vector<int32_t> tokens;       // prompt, then what was generated
  int64_t n_most = 0;                // length at which generation ends
  int64_t n_computed = 0;            // leading tokens whose K and V are in the cache
  int64_t n_prompt_shown = 0;        // most prompt tokens that were ever computed; never falls
  int64_t n_prompt_logits_sent = 0;  // leading prompt positions whose logits the caller has
  kv::PageTable pages;
  std::vector<int64_t> resume_at;  // positions to which others will come back, as far as is known

  // What may follow `tokens`.
  std::unique_ptr<Drafter> drafter;  // nullptr: nothing is guessed
  Speculation speculation;
  Draft draft;
  std::vector<int32_t> drafted;  // (draft.n_tokens)
  int n_to_check = 0;            // leading ones of them that the next step is to check

  // The scheduler's.
  Client* client = nullptr;
  uint64_t arrival = 0;         // number of the request
  uint64_t waiting_since = 0;   // step
  uint64_t n_steps_waited = 0;  // before that, and while others went first
  int rank = 0;                 // of who goes first
  bool is_restored = false;     // what is on disk of it has been read
  Sequence* leader = nullptr;   // computes a prefix of this one, which waits for it
  int64_t n_from_leader = 0;    // tokens of that prefix

  RequestStats stats;
  double submitted = 0, admitted = -1, prompt_done = -1;  // monotonic seconds; -1 = not yet
  double deadline = std::numeric_limits<double>::infinity();

  int64_t n_prompt() const { return std::ssize(request.prompt); }
  int64_t n_to_compute() const { return std::ssize(tokens) - n_computed; }
  // Of those, the most that one step may take.
  int64_t n_within_step() const {
    return n_computed < request.n_depth ? request.n_depth - n_computed : n_to_compute();
  }
  // Whether the next step gives it a token without computing more than the last one.
  bool is_generating() const { return n_to_compute() == 1 && std::ssize(tokens) > n_prompt(); }
  std::span<const int32_t> computed() const {
    return std::span(tokens).first(static_cast<size_t>(n_computed));
  }
  std::span<const int32_t> output() const {
    return std::span(tokens).subspan(request.prompt.size());
  }
};

// The part of a sequence that a step computes: its next n_tokens tokens, and then the first
// n_drafted of what was drafted.
struct SequenceShare {
  Sequence* sequence;  // owned by the scheduler
  int n_tokens;
  int n_drafted = 0;
};

}  // namespace gptoss::engine

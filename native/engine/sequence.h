// One request while the engine works on it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <gptoss/engine.h>

#include "engine/channel.h"
#include "kv/kv_cache.h"
#include "sampling/sampler.h"

namespace gptoss::engine {

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

  int64_t n_prompt() const { return std::ssize(request.prompt); }
  int64_t n_to_compute() const { return std::ssize(tokens) - n_computed; }
  // Of those, the most that one step may take.
  int64_t n_within_step() const {
    return n_computed < request.n_depth ? request.n_depth - n_computed : n_to_compute();
  }
  std::span<const int32_t> output() const {
    return std::span(tokens).subspan(request.prompt.size());
  }
};

// The part of a sequence that a step computes: its next n_tokens tokens.
struct SequenceShare {
  Sequence* sequence;  // owned by the scheduler
  int n_tokens;
};

}  // namespace gptoss::engine

// Computes one step: from the scheduler's choice to new tokens in the sequences and chunks for
// their callers.
#pragma once

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "engine/sequence.h"
#include "kernels/ops.h"
#include "model/model.h"

namespace gptoss::engine {

// What a step gave one sequence. Spans are valid until the next step.
struct StepResult {
  Sequence* sequence = nullptr;               // as in its share
  std::span<const int32_t> tokens;            // the new ones
  std::span<const sampling::Choice> choices;  // (tokens) with the logprobs, if asked for
  // (tokens) best first, if asked for
  std::span<const std::span<std::pair<int32_t, float>>> top_logprobs;
  std::vector<float> prompt_logits;                 // (rows, n_vocab), if asked for
  FinishReason finish_reason = FinishReason::none;  // ends the sequence
  bool is_hopeless = false;  // no token has a finite logit: ends the sequence too
};

class Runner {
 public:
  // All borrowed. max_sequences bounds the sequences of a step, n_step_tokens its tokens.
  Runner(model::Model& model, kernels::Ops& ops, kv::KvCache& cache, int n_step_tokens,
         int max_sequences);

  // Computes the shares and advances their sequences: what was drafted is checked, and taken as far
  // as it is what would have been chosen. One result per share, valid until the next
  // call; none, and nothing advanced, once `should_stop` says so. Allocates nothing but room for
  // prompt logits and, once, for longer lists of logprobs.
  std::span<StepResult> run(std::span<const SequenceShare> shares,
                            const std::function<bool()>& should_stop);

  // Rows of logits that Model::reserve must provide, and so many may have drafted tokens or end a
  // sequence in a step.
  static int n_logits_rows(int max_sequences);

 private:
  void gather(std::span<const SequenceShare> shares);
  void copy_prompt_logits(std::span<const SequenceShare> shares);
  void choose_tokens(std::span<const SequenceShare> shares);
  void advance(const SequenceShare& share, StepResult& result);
  void accept_tokens(const SequenceShare& share, StepResult& result);

  model::Model& model_;
  kernels::Ops& ops_;
  kv::KvCache& cache_;
  int max_sequences_;

  // The step. Capacity is reserved once.
  std::vector<int32_t> tokens_;
  std::vector<kernels::SequenceRows> rows_;
  std::vector<int32_t> logits_slice_;  // batch rows of prompt positions
  std::vector<StepResult> results_;    // (shares)
  // The rows that get a token: those of a sequence follow each other.
  std::vector<int32_t> logits_rows_;  // batch rows
  std::vector<size_t> first_row_;     // (shares + 1) of each share in logits_rows_
  std::vector<sampling::Row> sampler_rows_;
  std::vector<sampling::Choice> choices_;
  std::vector<std::vector<std::pair<int32_t, float>>> top_logprobs_;
  std::vector<std::span<std::pair<int32_t, float>>> top_logprobs_spans_;
};

}  // namespace gptoss::engine

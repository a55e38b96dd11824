#include "engine/runner.h"

#include <algorithm>

namespace gptoss::engine {

int Runner::n_logits_rows(int max_sequences) { return std::max(max_sequences, 16); }

Runner::Runner(model::Model& model, kernels::Ops& ops, kv::KvCache& cache, int n_step_tokens,
               int max_sequences)
    : model_(model), ops_(ops), cache_(cache), max_sequences_(max_sequences) {
  tokens_.reserve(static_cast<size_t>(n_step_tokens));
  const auto n = static_cast<size_t>(max_sequences);
  rows_.reserve(n);
  results_.reserve(n);
  sampled_.reserve(n);
  sampler_rows_.reserve(n);
  choices_.reserve(n);
  top_logprobs_.resize(n);
  top_logprobs_spans_.reserve(n);
  logits_rows_.reserve(n);
  logits_slice_.reserve(static_cast<size_t>(n_logits_rows(max_sequences)));
}

std::span<StepResult> Runner::run(std::span<const SequenceShare> shares,
                                  const std::function<bool()>& should_stop) {
  gather(shares);
  results_.clear();
  if (!model_.forward({tokens_, rows_}, cache_, should_stop)) return {};
  results_.resize(shares.size());
  copy_prompt_logits(shares);
  choose_tokens();
  for (size_t i = 0; i < shares.size(); ++i) advance(shares[i], results_[i]);
  return results_;
}

// Lays the shares out as the rows of one batch, and notes which rows get a token: those that
// complete a sequence.
void Runner::gather(std::span<const SequenceShare> shares) {
  tokens_.clear();
  rows_.clear();
  sampled_.clear();
  logits_rows_.clear();
  for (const auto& [sequence, n_tokens] : shares) {
    const auto first = sequence->tokens.begin() + sequence->n_computed;
    rows_.push_back({.row_begin = static_cast<int>(tokens_.size()),
                     .n_rows = n_tokens,
                     .position_begin = sequence->n_computed,
                     .pages = sequence->pages.full.data(),
                     .window_pages = sequence->pages.window.data()});
    tokens_.insert(tokens_.end(), first, first + n_tokens);
    const bool completes = n_tokens == sequence->n_to_compute();
    if (completes && std::ssize(sequence->tokens) < sequence->n_most) {
      sampled_.push_back(sequence);
      logits_rows_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
    }
  }
}

void Runner::copy_prompt_logits(std::span<const SequenceShare> shares) {
  const int64_t n_vocab = model_.config().n_vocab;
  for (size_t i = 0; i < shares.size(); ++i) {
    Sequence& sequence = *shares[i].sequence;
    if (!sequence.request.prompt_logits) continue;
    // A sequence that was preempted computes positions again whose logits have been sent.
    const int64_t begin = std::max(sequence.n_computed, sequence.n_prompt_logits_sent);
    const int64_t end = std::min(sequence.n_computed + shares[i].n_tokens, sequence.n_prompt());
    for (int64_t position = begin; position < end; position += std::ssize(logits_slice_)) {
      logits_slice_.clear();
      const int64_t n_rows = std::min<int64_t>(end - position, n_logits_rows(max_sequences_));
      for (int64_t k = 0; k < n_rows; ++k)
        logits_slice_.push_back(
            static_cast<int32_t>(rows_[i].row_begin + position + k - sequence.n_computed));
      const float* logits = model_.logits(logits_slice_);
      auto& sent = results_[i].prompt_logits;
      sent.insert(sent.end(), logits, logits + n_rows * n_vocab);
    }
    sequence.n_prompt_logits_sent = std::max(begin, end);
  }
}

void Runner::choose_tokens() {
  if (sampled_.empty()) return;
  const auto n_vocab = static_cast<size_t>(model_.config().n_vocab);
  float* logits = model_.logits(logits_rows_);
  sampler_rows_.clear();
  choices_.assign(sampled_.size(), {});
  top_logprobs_spans_.clear();
  for (size_t i = 0; i < sampled_.size(); ++i) {
    const Sequence& sequence = *sampled_[i];
    sampler_rows_.push_back({.logits = {logits + i * n_vocab, n_vocab},
                             .params = &sequence.params,
                             .bias = sequence.request.logit_bias,
                             .mask = {},
                             .prompt = sequence.request.prompt,
                             .output = sequence.output(),
                             .position = sequence.tokens.size()});
    top_logprobs_[i].resize(static_cast<size_t>(std::max(0, sequence.params.top_logprobs)));
    top_logprobs_spans_.push_back(top_logprobs_[i]);
  }
  ops_.choose({sampler_rows_, choices_, top_logprobs_spans_});
}

void Runner::advance(const SequenceShare& share, StepResult& result) {
  Sequence& sequence = *share.sequence;
  result.sequence = &sequence;
  sequence.n_computed += share.n_tokens;
  sequence.n_prompt_shown =
      std::max(sequence.n_prompt_shown, std::min(sequence.n_computed, sequence.n_prompt()));
  cache_.free_behind_window(sequence.pages, sequence.n_computed);
  const auto sampled = std::find(sampled_.begin(), sampled_.end(), &sequence);
  if (sampled != sampled_.end())
    accept_token(static_cast<size_t>(sampled - sampled_.begin()), result);
  else if (sequence.n_to_compute() == 0)
    result.finish_reason = FinishReason::length;  // only the prompt was asked for
}

void Runner::accept_token(size_t row, StepResult& result) {
  Sequence& sequence = *result.sequence;
  result.token = choices_[row].token;
  result.is_hopeless = result.token < 0;
  if (result.is_hopeless) return;
  result.logprob = choices_[row].logprob;
  result.top_logprobs = top_logprobs_[row];
  const size_t n_output = sequence.output().size();
  if (n_output < sequence.request.forced.size()) result.token = sequence.request.forced[n_output];
  sequence.tokens.push_back(result.token);
  const auto& stops = sequence.request.stop_tokens;
  if (std::find(stops.begin(), stops.end(), result.token) != stops.end())
    result.finish_reason = FinishReason::stop;
  else if (std::ssize(sequence.tokens) == sequence.n_most)
    result.finish_reason = FinishReason::length;
}

}  // namespace gptoss::engine

#include "engine/runner.h"

#include <algorithm>

#include "base/check.h"

namespace gptoss::engine {

// Drafts of one or two sequences at least.
int Runner::n_logits_rows(int max_sequences) { return max_sequences + 2 * kMostDrafted; }

Runner::Runner(model::Model& model, kernels::Ops& ops, kv::KvCache& cache, int n_step_tokens,
               int max_sequences)
    : model_(model), ops_(ops), cache_(cache), max_sequences_(max_sequences) {
  tokens_.reserve(static_cast<size_t>(n_step_tokens));
  const auto n = static_cast<size_t>(max_sequences);
  rows_.reserve(n);
  results_.reserve(n);
  first_row_.reserve(n + 1);
  const auto n_rows = static_cast<size_t>(n_logits_rows(max_sequences));
  sampler_rows_.reserve(n_rows);
  choices_.reserve(n_rows);
  top_logprobs_.resize(n_rows);
  top_logprobs_spans_.reserve(n_rows);
  logits_rows_.reserve(n_rows);
  logits_slice_.reserve(n_rows);
}

std::span<StepResult> Runner::run(std::span<const SequenceShare> shares,
                                  const std::function<bool()>& should_stop) {
  gather(shares);
  results_.clear();
  if (!model_.forward({tokens_, rows_}, cache_.storage(), should_stop)) return {};
  results_.resize(shares.size());
  copy_prompt_logits(shares);
  choose_tokens(shares);
  for (size_t i = 0; i < shares.size(); ++i) advance(shares[i], results_[i]);
  return results_;
}

// Lays the shares out as the rows of one batch, and notes which rows get a token: those that
// complete a sequence, and drafted ones.
void Runner::gather(std::span<const SequenceShare> shares) {
  tokens_.clear();
  rows_.clear();
  logits_rows_.clear();
  first_row_.clear();
  for (const auto& [sequence, n_tokens, n_drafted] : shares) {
    first_row_.push_back(logits_rows_.size());
    const auto first = sequence->tokens.begin() + sequence->n_computed;
    rows_.push_back({.row_begin = static_cast<int>(tokens_.size()),
                     .n_rows = n_tokens + n_drafted,
                     .position_begin = sequence->n_computed,
                     .pages = sequence->pages.full.data(),
                     .window_pages = sequence->pages.window.data()});
    tokens_.insert(tokens_.end(), first, first + n_tokens);
    const auto drafted = sequence->drafted.begin();
    tokens_.insert(tokens_.end(), drafted, drafted + n_drafted);
    const bool completes = n_tokens == sequence->n_to_compute();
    if (completes && std::ssize(sequence->tokens) < sequence->n_most)
      for (int row = n_drafted; row >= 0; --row)
        logits_rows_.push_back(static_cast<int32_t>(tokens_.size()) - 1 - row);
  }
  first_row_.push_back(logits_rows_.size());
  GPTOSS_CHECK(std::ssize(logits_rows_) <= n_logits_rows(max_sequences_));
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

void Runner::choose_tokens(std::span<const SequenceShare> shares) {
  if (logits_rows_.empty()) return;
  const auto n_vocab = static_cast<size_t>(model_.config().n_vocab);
  float* logits = model_.logits(logits_rows_);
  sampler_rows_.clear();
  choices_.assign(logits_rows_.size(), {});
  top_logprobs_spans_.clear();
  for (size_t i = 0; i < shares.size(); ++i) {
    Sequence& sequence = *shares[i].sequence;
    const size_t n_rows = first_row_[i + 1] - first_row_[i], n_before = sequence.tokens.size();
    if (n_rows == 0) continue;
    // As if all that was drafted were right: what follows a wrong token is not used.
    const auto drafted = sequence.drafted.begin();
    sequence.tokens.insert(sequence.tokens.end(), drafted, drafted + shares[i].n_drafted);
    for (size_t k = 0; k < n_rows; ++k) {
      const size_t row = first_row_[i] + k;
      sampler_rows_.push_back({.logits = {logits + row * n_vocab, n_vocab},
                               .params = &sequence.params,
                               .bias = sequence.request.logit_bias,
                               .mask = {},
                               .prompt = sequence.request.prompt,
                               .output = std::span(sequence.tokens)
                                             .first(n_before + k)
                                             .subspan(sequence.request.prompt.size()),
                               .position = n_before + k});
      top_logprobs_[row].resize(static_cast<size_t>(std::max(0, sequence.params.top_logprobs)));
      top_logprobs_spans_.push_back(top_logprobs_[row]);
    }
  }
  ops_.choose({sampler_rows_, choices_, top_logprobs_spans_});
}

void Runner::advance(const SequenceShare& share, StepResult& result) {
  Sequence& sequence = *share.sequence;
  result.sequence = &sequence;
  sequence.n_computed += share.n_tokens;
  sequence.n_prompt_shown =
      std::max(sequence.n_prompt_shown, std::min(sequence.n_computed, sequence.n_prompt()));
  const auto i = static_cast<size_t>(&result - results_.data());
  if (first_row_[i + 1] > first_row_[i])
    accept_tokens(share, result);
  else if (sequence.n_to_compute() == 0)
    result.finish_reason = FinishReason::length;  // only the prompt was asked for
  if (sequence.request.reuse_prefix)
    cache_.keep(sequence.pages, sequence.computed(), sequence.resume_at);
  cache_.free_behind_window(sequence.pages, sequence.n_computed);
}

// Takes chosen tokens up to and with the first one that was not drafted so.
void Runner::accept_tokens(const SequenceShare& share, StepResult& result) {
  Sequence& sequence = *share.sequence;
  const size_t first = first_row_[static_cast<size_t>(&result - results_.data())];
  sequence.tokens.resize(sequence.tokens.size() - static_cast<size_t>(share.n_drafted));
  const size_t n_before = sequence.tokens.size();
  const auto& stops = sequence.request.stop_tokens;
  for (int k = 0; k <= share.n_drafted && result.finish_reason == FinishReason::none; ++k) {
    int32_t token = choices_[first + static_cast<size_t>(k)].token;
    if (token < 0) {
      result.is_hopeless = true;
      break;
    }
    const size_t n_output = sequence.output().size();
    if (n_output < sequence.request.forced.size()) token = sequence.request.forced[n_output];
    sequence.tokens.push_back(token);
    if (std::ranges::find(stops, token) != stops.end())
      result.finish_reason = FinishReason::stop;
    else if (std::ssize(sequence.tokens) == sequence.n_most)
      result.finish_reason = FinishReason::length;
    if (k == share.n_drafted || token != sequence.drafted[static_cast<size_t>(k)]) break;
    ++sequence.n_computed;
  }
  result.tokens = std::span(sequence.tokens).subspan(n_before);
  result.choices = std::span(choices_).subspan(first, result.tokens.size());
  result.top_logprobs = std::span(top_logprobs_spans_).subspan(first, result.tokens.size());
}

}  // namespace gptoss::engine

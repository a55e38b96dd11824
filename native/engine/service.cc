#include "engine/service.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <string>
#include <utility>

#include <gptoss/error.h>

#include "base/check.h"
#include "base/clock.h"

namespace gptoss::engine {
namespace {

RequestStats stats_of(const Sequence& sequence, double now) {
  RequestStats stats = sequence.stats;
  const double admitted = sequence.admitted < 0 ? now : sequence.admitted;
  const double prompt_done = sequence.prompt_done < 0 ? now : sequence.prompt_done;
  stats.queue_seconds = admitted - sequence.submitted;
  stats.prefill_seconds = prompt_done - admitted;
  stats.decode_seconds = now - prompt_done;
  return stats;
}

void add_logprobs(Chunk& chunk, const StepResult& result, const sampling::Params& params) {
  if (params.top_logprobs < 0) return;
  for (size_t i = 0; i < result.tokens.size(); ++i) {
    chunk.logprobs.push_back(result.choices[i].logprob);
    chunk.top_logprobs.emplace_back(result.top_logprobs[i].begin(), result.top_logprobs[i].end());
  }
}

kv::DiskCache* open_disk(kv::KvCache& cache, const model::Model& model,
                         const EngineOptions& options) {
  if (options.prefix_cache && !options.prefix_folder.empty())
    cache.keep_on_disk(options.prefix_folder, model.identity(),
                       static_cast<uint64_t>(options.prefix_disk_bytes));
  return cache.disk();
}

}  // namespace

Service::Service(model::Model& model, kernels::Ops& ops, kernels::ProfilingOps* profile,
                 const EngineOptions& options, const CachePlan& plan)
    : profile_(profile),
      n_most_drafted_(std::min(Runner::n_logits_rows(options.max_sequences) - options.max_sequences,
                               options.n_batch - 1)),
      n_step_tokens_(options.n_batch),
      cache_(model.kv_shape(), plan.cache),
      disk_(open_disk(cache_, model, options)),
      scheduler_(cache_, {options.n_batch, options.max_sequences}),
      runner_(model, ops, cache_, options.n_batch, options.max_sequences) {
  publish();
}

void Service::serve(const std::function<bool()>& should_stop) {
  end_unwanted();
  guess();
  publish();
  step(should_stop);
  if (disk_ != nullptr) disk_->save();
  if (!scheduler_.is_empty()) return;
  scheduler_.check_integrity();
  last_step_end_ = 0;
}

void Service::end_unwanted() {
  const double now = monotonic_seconds();
  for (;;) {
    Sequence* found = nullptr;
    scheduler_.visit_while([&](Sequence& sequence) {
      if (sequence.channel->is_cancelled() || sequence.deadline <= now) found = &sequence;
      return found == nullptr;
    });
    if (found == nullptr) return;
    end_early(found,
              found->channel->is_cancelled() ? FinishReason::cancelled : FinishReason::timeout);
  }
}

// Drafts what may come next in every sequence that generates, and decides how much of it to check.
void Service::guess() {
  int n_rows = 0, n_left = n_most_drafted_;
  for (const auto& sequence : scheduler_.running()) n_rows += sequence->is_generating() ? 1 : 0;
  for (const auto& sequence : scheduler_.running()) {
    sequence->draft = {};
    sequence->n_to_check = 0;
    if (sequence->drafter == nullptr || !sequence->is_generating()) continue;
    // The last token that it may have needs no check.
    const int64_t n_room = sequence->n_most - std::ssize(sequence->tokens) - 1;
    sequence->drafted.resize(static_cast<size_t>(std::min<int64_t>(kMostDrafted, n_room)));
    sequence->draft = sequence->drafter->draft(sequence->tokens, sequence->drafted);
    sequence->drafted.resize(static_cast<size_t>(sequence->draft.n_tokens));
    const int n = sequence->speculation.n_worthwhile(sequence->draft, n_rows, times_);
    sequence->n_to_check = std::min(n, n_left);
    n_left -= sequence->n_to_check;
    n_rows += sequence->n_to_check;
  }
}

void Service::step(const std::function<bool()>& should_stop) {
  int n_generating = 0;
  for (const auto& sequence : scheduler_.running())
    n_generating += sequence->is_generating() ? 1 + sequence->n_to_check : 0;
  step_ = scheduler_.schedule(prompt_tokens_beside(times_, n_generating, n_step_tokens_));
  if (step_.empty()) return;
  publish();
  if (profile_ != nullptr)
    profile_->record(std::ranges::any_of(
        step_, [](const auto& share) { return share.sequence->request.profile; }));
  const double begin = monotonic_seconds();
  for (const SequenceShare& share : step_)
    if (share.sequence->admitted < 0) share.sequence->admitted = begin;
  if (last_step_end_ > 0)
    seconds_between_steps_.store(seconds_between_steps_.load() + begin - last_step_end_);
  try {
    const auto results = runner_.run(step_, [&] { return should_stop() || nobody_waits(); });
    const double end = monotonic_seconds();
    last_step_end_ = end;
    if (!results.empty()) {
      n_steps_.fetch_add(1);
      seconds_in_steps_.store(seconds_in_steps_.load() + end - begin);
      learn(results, end - begin);
    }
    for (size_t i = 0; i < results.size(); ++i) deliver(results[i], step_[i], begin, end);
  } catch (const InternalError&) {
    throw;
  } catch (...) {
    // Out of memory: the requests of this step fail, those that wait go on.
    for (const SequenceShare& share : step_)
      if (scheduler_.holds(share.sequence)) end(share.sequence)->fail(current_error());
  }
}

// A step can take long: it is given up when nobody waits for it any more.
bool Service::nobody_waits() const {
  return std::ranges::all_of(
      step_, [](const SequenceShare& share) { return share.sequence->channel->is_cancelled(); });
}

// From what a step took and which guesses were right.
void Service::learn(std::span<const StepResult> results, double seconds) {
  int n_tokens = 0, n_checked = 0, n_prompt = 0;
  for (const SequenceShare& share : step_) {
    n_tokens += share.n_tokens + share.n_drafted;
    n_checked += share.n_drafted;
    if (share.n_tokens > 1) n_prompt += share.n_tokens;
  }
  n_prompt_tokens_.fetch_add(n_prompt);
  n_drafted_.fetch_add(n_checked);
  for (size_t i = 0; i < results.size(); ++i) {
    Sequence& sequence = *results[i].sequence;
    const int n_drafted = step_[i].n_drafted;
    if (n_drafted > 0) {
      const auto n_right = std::ssize(results[i].tokens) - 1;
      sequence.stats.n_drafted += n_drafted;
      sequence.stats.n_accepted += n_right;
      n_accepted_drafts_.fetch_add(n_right);
    }
    if (n_prompt > 0 || sequence.drafter == nullptr || results[i].tokens.empty()) continue;
    const auto guessed =
        std::span(sequence.drafted).first(static_cast<size_t>(sequence.draft.n_tokens));
    const auto n_right = std::ranges::mismatch(guessed, results[i].tokens).in1 - guessed.begin();
    sequence.speculation.learn(sequence.draft, n_drafted, static_cast<int>(n_right),
                               n_tokens - n_checked, seconds, times_);
  }
  times_.record(n_tokens, seconds);
}

void Service::deliver(StepResult& result, const SequenceShare& share, double step_begin,
                      double step_end) {
  Sequence* sequence = result.sequence;
  if (result.is_hopeless) {
    if (!result.tokens.empty()) {  // guessed ones before it
      Chunk before;
      before.n_prompt = sequence->n_prompt_shown;
      before.tokens.assign(result.tokens.begin(), result.tokens.end());
      add_logprobs(before, result, sequence->params);
      sequence->channel->push(std::move(before));
    }
    const auto error = std::make_exception_ptr(
        Error("no token has a finite logit at position " + std::to_string(sequence->tokens.size()) +
              "; the request's biases forbid every token, or the model file is damaged"));
    end(sequence)->fail(error);
    return;
  }
  if (!result.tokens.empty() && sequence->prompt_done < 0) sequence->prompt_done = step_end;
  n_generated_.fetch_add(std::ssize(result.tokens));
  Chunk chunk;
  chunk.n_prompt = sequence->n_prompt_shown;
  chunk.finish_reason = result.finish_reason;
  chunk.prompt_logits = std::move(result.prompt_logits);
  chunk.steps.push_back({step_begin, step_end, share.n_tokens + share.n_drafted, {}});
  if (sequence->request.profile)
    chunk.steps.back().calls.assign(profile_->calls().begin(), profile_->calls().end());
  chunk.tokens.assign(result.tokens.begin(), result.tokens.end());
  add_logprobs(chunk, result, sequence->params);
  chunk.stats = stats_of(*sequence, step_end);
  const bool is_last = result.finish_reason != FinishReason::none;
  const auto channel = is_last ? end(sequence) : sequence->channel;
  try {
    channel->push(std::move(chunk));
  } catch (...) {
    if (!is_last) throw;
    channel->fail(current_error());  // nobody else knows this channel any more
  }
}

void Service::end_early(Sequence* sequence, FinishReason reason) {
  Chunk last;
  last.n_prompt = sequence->n_prompt_shown;
  last.finish_reason = reason;
  last.stats = stats_of(*sequence, monotonic_seconds());
  end(sequence)->push(std::move(last));
}

// Frees everything of a sequence and returns its channel for the last word: whoever reads that
// finds the pages free.
std::shared_ptr<Completion::Channel> Service::end(Sequence* sequence) {
  auto channel = sequence->channel;
  n_cached_.fetch_add(sequence->stats.n_cached);
  scheduler_.remove(sequence);
  n_ended_.fetch_add(1);
  publish();
  return channel;
}

void Service::end_all(std::exception_ptr error) {
  for (;;) {
    Sequence* found = nullptr;
    scheduler_.visit_while([&](Sequence& sequence) {
      found = &sequence;
      return false;
    });
    if (found == nullptr) return;
    if (error == nullptr)
      end_early(found, FinishReason::cancelled);
    else
      end(found)->fail(error);
  }
}

void Service::abandon(std::exception_ptr error) {
  scheduler_.visit_while([&](Sequence& sequence) {
    sequence.channel->fail(error);
    n_ended_.fetch_add(1);
    return true;
  });
}

void Service::save_some() {
  disk_->wait_for_disk(std::chrono::milliseconds(20));
  disk_->save();
}

void Service::publish() {
  n_running_.store(scheduler_.n_running());
  n_pages_used_.store(cache_.n_pages_used());
  n_pages_cached_.store(cache_.n_pages_idle());
  n_preempted_.store(scheduler_.n_preempted());
}

EngineStats Service::stats(int n_accepted) const {
  EngineStats stats;
  stats.n_running = n_running_.load();
  stats.n_waiting = std::max(0, n_accepted - stats.n_running);
  stats.n_pages_used = n_pages_used_.load();
  stats.n_pages_cached = n_pages_cached_.load();
  stats.n_pages_total = cache_.n_pages_total();
  stats.n_steps = n_steps_.load();
  stats.n_prompt_tokens = n_prompt_tokens_.load();
  stats.n_generated_tokens = n_generated_.load();
  stats.n_cached_tokens = n_cached_.load();
  stats.n_drafted_tokens = n_drafted_.load();
  stats.n_accepted_tokens = n_accepted_drafts_.load();
  stats.n_preempted = n_preempted_.load();
  stats.seconds_in_steps = seconds_in_steps_.load();
  stats.seconds_between_steps = seconds_between_steps_.load();
  return stats;
}

std::vector<std::string> Service::take_warnings() {
  return disk_ == nullptr ? std::vector<std::string>{} : disk_->take_warnings();
}

std::exception_ptr current_error() {
  static const std::exception_ptr out_of_memory = std::make_exception_ptr(
      OutOfMemoryError("out of memory while computing; use a smaller context or batch"));
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return out_of_memory;
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace gptoss::engine

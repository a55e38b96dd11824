#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gptoss/engine.h>
#include <gptoss/error.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "engine/cache_plan.h"
#include "engine/inbox.h"
#include "engine/runner.h"
#include "engine/scheduler.h"
#include "engine/validate.h"
#include "kernels/devices.h"
#include "kernels/ops.h"
#include "kernels/profiling/profiling_ops.h"
#include "kv/kv_cache.h"
#include "model/model.h"

namespace gptoss {

using engine::Inbox;
using engine::Runner;
using engine::Scheduler;
using engine::Sequence;

std::vector<std::string> devices() { return {"cpu", "reference"}; }
std::vector<std::string> cpu_isas(const std::string& compute) {
  return kernels::cpu_isas(engine::resolve_compute("cpu", compute));
}

namespace {

EngineOptions validated(const EngineOptions& options) {
  engine::validate(options);
  EngineOptions result = options;
  if (result.device == "auto") result.device = devices().front();
  result.compute = engine::resolve_compute(result.device, result.compute);
  // A step has a token for each of its sequences.
  result.max_sequences = std::min(result.max_sequences, result.n_batch);
  return result;
}

std::unique_ptr<kernels::Ops> make_ops(const EngineOptions& options, ThreadPool& pool) {
  if (options.device == "reference") return kernels::make_reference_ops(pool);
  return kernels::make_cpu_ops(pool, options.compute, options.keep_in);
}

}  // namespace

class Engine::Impl {
 public:
  Impl(const std::string& path, const EngineOptions& options, const LoadProgress& progress)
      : options_(validated(options)),
        pool_(options_.n_threads),
        ops_(make_ops(options_, pool_)),
        profile_(options_.profile ? std::make_unique<kernels::ProfilingOps>(*ops_) : nullptr),
        model_(model::Model::load(path, used_ops(), pool_, progress)),
        plan_(engine::plan_cache(options_, *model_)),
        cache_(model_->kv_shape(), plan_.n_cached, options_.max_sequences, options_.n_batch),
        scheduler_(cache_, {options_.n_batch, options_.max_sequences}) {
    model_->reserve(options_.n_batch, Runner::n_logits_rows(options_.max_sequences), plan_.n_ctx);
    runner_ = std::make_unique<Runner>(*model_, used_ops(), cache_, options_.n_batch,
                                       options_.max_sequences);
    publish_stats();
    try {
      thread_ = std::thread([this] { loop(); });
    } catch (const std::system_error& error) {
      throw OutOfMemoryError(std::string("cannot start the engine thread: ") + error.what());
    }
  }

  ~Impl() { close(); }

  void close() {
    inbox_.close();
    const std::lock_guard lock(join_mutex_);
    if (thread_.joinable()) thread_.join();
  }

  // In a forked child there are no threads: nothing works there, and nothing may be joined.
  bool is_foreign() const { return ::getpid() != pid_; }

  std::shared_ptr<Completion> submit(Request request) {
    if (is_foreign())
      throw RequestError(
          "the model was opened before this process was forked; open it in this process, or start "
          "processes with 'spawn'");
    engine::validate(request, n_vocab(), plan_.n_ctx);
    check_logits_fit(request);
    if (request.profile && profile_ == nullptr)
      throw RequestError("a profile was asked for, but the engine was opened without profile");
    auto sequence = make_sequence(std::move(request));
    auto completion = std::make_shared<Completion>(sequence->channel);
    const int n_most = options_.max_sequences + options_.max_queue;
    if (n_accepted_.fetch_add(1) >= n_most) {
      n_accepted_.fetch_sub(1);
      throw QueueFullError("the queue is full (" + std::to_string(options_.max_queue) +
                           " requests wait); try again later");
    }
    try {
      inbox_.put(std::move(sequence));
    } catch (...) {
      n_accepted_.fetch_sub(1);
      throw;
    }
    return completion;
  }

  EngineStats stats() const {
    EngineStats stats;
    stats.n_steps = n_steps_.load();
    stats.n_running = n_running_.load();
    stats.n_waiting = std::max(0, n_accepted_.load() - stats.n_running);
    stats.n_pages_used = n_pages_used_.load();
    stats.n_pages_total = cache_.n_pages_total();
    stats.n_preempted = n_preempted_.load();
    return stats;
  }

  const std::string& device() const { return options_.device; }
  const kernels::Ops& ops() const { return *ops_; }
  int64_t n_ctx() const { return plan_.n_ctx; }
  int n_threads() const { return pool_.size(); }
  int64_t n_vocab() const { return model_->config().n_vocab; }

 private:
  kernels::Ops& used_ops() { return profile_ != nullptr ? *profile_ : *ops_; }

  std::unique_ptr<Sequence> make_sequence(Request&& request) const {
    auto sequence = std::make_unique<Sequence>();
    const int64_t n_prompt = std::ssize(request.prompt), n_room = plan_.n_ctx - n_prompt;
    sequence->n_most =
        n_prompt + (request.max_tokens < 0 ? n_room : std::min(n_room, request.max_tokens));
    sequence->params = {request.temperature,
                        request.top_k,
                        request.top_p,
                        request.min_p,
                        request.repetition_penalty,
                        request.presence_penalty,
                        request.frequency_penalty,
                        request.seed,
                        request.completion_index,
                        request.top_logprobs};
    // All a sequence will ever need: steps allocate nothing.
    const auto n_pages = static_cast<size_t>(kv::n_pages_for(sequence->n_most));
    sequence->tokens.reserve(static_cast<size_t>(sequence->n_most));
    sequence->pages.full.reserve(n_pages);
    sequence->pages.window.reserve(n_pages);
    sequence->tokens = request.prompt;
    sequence->request = std::move(request);
    sequence->channel = std::make_shared<Completion::Channel>();
    return sequence;
  }

  // The engine thread. Everything mutable but the inbox, the channels and the counters belongs to
  // it. No failure ends the process: requests fail, and only a broken invariant closes the engine.
  void loop() {
    for (bool is_open = true; is_open;) {
      try {
        is_open = serve();
      } catch (const InternalError&) {
        is_open = false;
        inbox_.close();
        fail_all(std::current_exception());
        inbox_.take_all(arrivals_, /*wait=*/false);
        fail_all(std::current_exception());
      } catch (...) {
        fail_all(std::current_exception());
      }
    }
  }

  // One round: arrivals, cancellations, a step. False once the inbox is closed and all is ended.
  bool serve() {
    const bool is_open = inbox_.take_all(arrivals_, /*wait=*/scheduler_.is_empty());
    for (auto& arrival : arrivals_) scheduler_.add(std::move(arrival));
    arrivals_.clear();
    while (Sequence* sequence = next_to_cancel(/*all=*/!is_open)) cancel(sequence);
    publish_stats();
    if (is_open) step();
    if (scheduler_.is_empty()) cache_.check_integrity();
    return is_open;
  }

  Sequence* next_to_cancel(bool all) const {
    Sequence* found = nullptr;
    scheduler_.visit_while([&](Sequence& sequence) {
      if (all || sequence.channel->is_cancelled()) found = &sequence;
      return found == nullptr;
    });
    return found;
  }

  void cancel(Sequence* sequence) {
    Chunk last;
    last.n_prompt = sequence->n_prompt_shown;
    last.finish_reason = FinishReason::cancelled;
    end(sequence)->push(std::move(last));
  }

  void step() {
    const auto shares = scheduler_.schedule();
    if (shares.empty()) return;
    publish_stats();
    // A step can take long: it is given up when nobody waits for it any more.
    step_ = shares;
    if (profile_ != nullptr)
      profile_->record(std::any_of(shares.begin(), shares.end(), [](const auto& share) {
        return share.sequence->request.profile;
      }));
    try {
      const double begin = monotonic_seconds();
      const auto results = runner_->run(shares, should_stop_);
      const double end = monotonic_seconds();
      if (!results.empty()) n_steps_.fetch_add(1);
      for (size_t i = 0; i < results.size(); ++i) deliver(results[i], shares[i], begin, end);
    } catch (const InternalError&) {
      throw;
    } catch (...) {
      // Out of memory: the requests of this step fail, those that wait go on.
      for (const engine::SequenceShare& share : shares)
        if (scheduler_.holds(share.sequence)) end(share.sequence)->fail(current_error());
    }
  }

  bool nobody_waits() const {
    return inbox_.is_closed() ||
           std::all_of(step_.begin(), step_.end(), [](const engine::SequenceShare& share) {
             return share.sequence->channel->is_cancelled();
           });
  }

  void deliver(engine::StepResult& result, const engine::SequenceShare& share, double step_begin,
               double step_end) {
    Sequence* sequence = result.sequence;
    if (result.is_hopeless) {
      const auto error = std::make_exception_ptr(
          Error("no token has a finite logit at position " + std::to_string(sequence->n_computed) +
                "; the request's biases forbid every token, or the model file is damaged"));
      end(sequence)->fail(error);
      return;
    }
    Chunk chunk;
    chunk.n_prompt = sequence->n_prompt_shown;
    chunk.finish_reason = result.finish_reason;
    chunk.prompt_logits = std::move(result.prompt_logits);
    chunk.steps.push_back({step_begin, step_end, share.n_tokens, {}});
    if (sequence->request.profile)
      chunk.steps.back().calls.assign(profile_->calls().begin(), profile_->calls().end());
    if (result.token >= 0) {
      chunk.tokens.push_back(result.token);
      if (sequence->params.top_logprobs >= 0) {
        chunk.logprobs.push_back(result.logprob);
        chunk.top_logprobs.emplace_back(result.top_logprobs.begin(), result.top_logprobs.end());
      }
    }
    const bool is_last = result.finish_reason != FinishReason::none;
    const auto channel = is_last ? end(sequence) : sequence->channel;
    try {
      channel->push(std::move(chunk));
    } catch (...) {
      if (!is_last) throw;
      channel->fail(current_error());  // nobody else knows this channel any more
    }
  }

  // Frees everything of a sequence and returns its channel for the last word: whoever reads that
  // finds the pages free.
  std::shared_ptr<Completion::Channel> end(Sequence* sequence) {
    auto channel = sequence->channel;
    scheduler_.remove(sequence);
    n_accepted_.fetch_sub(1);
    publish_stats();
    return channel;
  }

  void fail_all(std::exception_ptr error) {
    for (const auto& arrival : arrivals_) {
      if (arrival == nullptr) continue;  // the scheduler has it
      n_accepted_.fetch_sub(1);
      arrival->channel->fail(error);
    }
    arrivals_.clear();
    while (Sequence* sequence = next_to_cancel(/*all=*/true)) end(sequence)->fail(error);
  }

  // The exception being handled, as one of ours where it is the standard's.
  static std::exception_ptr current_error() {
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

  void publish_stats() {
    n_running_.store(scheduler_.n_running());
    n_pages_used_.store(cache_.n_pages_used());
    n_preempted_.store(scheduler_.n_preempted());
  }

  void check_logits_fit(const Request& request) const {
    if (!request.prompt_logits) return;
    const size_t n_bytes = request.prompt.size() * static_cast<size_t>(n_vocab()) * sizeof(float);
    if (const auto available = available_memory();
        available && n_bytes + model_->mapped_bytes() / 2 > *available / 2)
      throw OutOfMemoryError("the logits of " + std::to_string(request.prompt.size()) +
                             " tokens take " + std::to_string(n_bytes >> 20) +
                             " MiB, more than half of what is free; ask for fewer tokens");
  }

  const EngineOptions options_;
  const pid_t pid_ = ::getpid();
  ThreadPool pool_;
  std::unique_ptr<kernels::Ops> ops_;               // the device
  std::unique_ptr<kernels::ProfilingOps> profile_;  // around it, if wanted
  std::unique_ptr<model::Model> model_;
  const engine::CachePlan plan_;
  kv::KvCache cache_;
  Scheduler scheduler_;
  std::unique_ptr<Runner> runner_;
  Inbox inbox_;
  std::span<const engine::SequenceShare> step_;  // being computed; the scheduler's
  const std::function<bool()> should_stop_ = [this] { return nobody_waits(); };
  std::vector<std::unique_ptr<Sequence>> arrivals_;  // taken from the inbox, not yet scheduled

  // Counters that any thread reads. n_accepted_: requests submitted and not ended.
  std::atomic<int> n_accepted_{0}, n_running_{0};
  std::atomic<int64_t> n_steps_{0}, n_pages_used_{0}, n_preempted_{0};
  std::mutex join_mutex_;
  std::thread thread_;
};

Engine::Engine(const std::string& path, const EngineOptions& options, const LoadProgress& progress)
    : impl_(std::make_unique<Impl>(path, options, progress)) {}
Engine::~Engine() {
  if (impl_->is_foreign()) (void)impl_.release();  // its threads are the parent's
}
const std::string& Engine::device() const { return impl_->device(); }
std::string Engine::isa() const { return impl_->ops().isa(); }
std::string Engine::arithmetic() const { return impl_->ops().arithmetic(); }
int64_t Engine::n_ctx() const { return impl_->n_ctx(); }
int Engine::n_threads() const { return impl_->n_threads(); }
int64_t Engine::n_vocab() const { return impl_->n_vocab(); }
std::string Engine::weights_file() const { return impl_->ops().weights_file(); }
std::shared_ptr<Completion> Engine::submit(Request request) {
  return impl_->submit(std::move(request));
}
EngineStats Engine::stats() const { return impl_->stats(); }
void Engine::close() {
  if (!impl_->is_foreign()) impl_->close();
}

}  // namespace gptoss

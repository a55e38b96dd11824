#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gptoss/engine.h>
#include <gptoss/error.h>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "engine/inbox.h"
#include "engine/runner.h"
#include "engine/scheduler.h"
#include "engine/validate.h"
#include "kernels/ops.h"
#include "kv/kv_cache.h"
#include "model/model.h"

namespace gptoss {

using engine::Inbox;
using engine::Runner;
using engine::Scheduler;
using engine::Sequence;

std::vector<std::string> devices() { return {"reference"}; }

namespace {

constexpr size_t kAssumedMemory = size_t{4} << 30;  // where the system does not tell

EngineOptions validated(const EngineOptions& options) {
  engine::validate(options);
  EngineOptions result = options;
  if (result.device == "auto") result.device = devices().front();
  result.max_sequences =
      std::min(result.max_sequences, result.n_batch);  // a step has a token for each sequence
  return result;
}

// Bytes the KV cache may take: half of what is left once the weights are open, since they still
// have to be read.
size_t kv_budget() {
  const size_t available = available_memory();
  return (available > 0 ? available : kAssumedMemory) / 2;
}

int64_t choose_n_ctx(const EngineOptions& options, const model::Config& config,
                     const kv::KvShape& shape) {
  if (options.n_ctx > config.n_ctx_train)
    throw RequestError("n_ctx is " + std::to_string(options.n_ctx) +
                       "; this model's context ends at " + std::to_string(config.n_ctx_train) +
                       " tokens");
  if (options.n_ctx > 0) return options.n_ctx;
  const auto affordable =
      static_cast<int64_t>(kv_budget() / std::max<size_t>(1, kv::bytes_per_token(shape)));
  return std::min(config.n_ctx_train, std::max<int64_t>(affordable, 1024));
}

// Positions for all sequences together: room for every one at full length if that is affordable.
int64_t choose_n_cached(const EngineOptions& options, int64_t n_ctx, const kv::KvShape& shape) {
  const auto affordable =
      static_cast<int64_t>(kv_budget() / std::max<size_t>(1, kv::bytes_per_token(shape)));
  return std::clamp(affordable, n_ctx, n_ctx * options.max_sequences);
}

}  // namespace

class Engine::Impl {
 public:
  Impl(const std::string& path, const EngineOptions& options)
      : options_(validated(options)),
        pool_(options_.n_threads),
        ops_(kernels::make_reference_ops(pool_)),
        model_(model::Model::load(path, *ops_, pool_)),
        n_ctx_(choose_n_ctx(options_, model_->config(), model_->kv_shape())),
        cache_(model_->kv_shape(), choose_n_cached(options_, n_ctx_, model_->kv_shape()),
               options_.max_sequences, options_.n_batch),
        scheduler_(cache_, {options_.n_batch, options_.max_sequences}),
        inbox_(options_.max_queue) {
    model_->reserve(options_.n_batch, Runner::n_logits_rows(options_.max_sequences), n_ctx_);
    runner_ =
        std::make_unique<Runner>(*model_, *ops_, cache_, options_.n_batch, options_.max_sequences);
    publish_stats();
    thread_ = std::thread([this] { loop(); });
  }

  ~Impl() { close(); }

  void close() {
    inbox_.close();
    const std::lock_guard lock(join_mutex_);
    if (thread_.joinable()) thread_.join();
  }

  std::shared_ptr<Completion> submit(Request request) {
    engine::validate(request, n_vocab(), n_ctx_);
    check_logits_fit(request);
    auto sequence = std::make_unique<Sequence>();
    const int64_t n_prompt = std::ssize(request.prompt);
    sequence->n_most =
        request.max_tokens < 0 ? n_ctx_ : std::min(n_ctx_, n_prompt + request.max_tokens);
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
    sequence->tokens = request.prompt;
    sequence->request = std::move(request);
    sequence->channel = std::make_shared<Completion::Channel>();
    auto completion = std::make_shared<Completion>(sequence->channel);
    inbox_.put(std::move(sequence), n_waiting_.load(std::memory_order_relaxed));
    return completion;
  }

  EngineStats stats() {
    EngineStats stats;
    stats.n_steps = n_steps_.load();
    stats.n_running = n_running_.load();
    stats.n_waiting = n_waiting_.load() + inbox_.n_waiting();
    stats.n_pages_used = n_pages_used_.load();
    stats.n_pages_total = cache_.n_pages_total();
    return stats;
  }

  const std::string& device() const { return options_.device; }
  int64_t n_ctx() const { return n_ctx_; }
  int n_threads() const { return pool_.size(); }
  int64_t n_vocab() const { return model_->config().n_vocab; }

 private:
  // The engine thread. Everything mutable but the inbox and the channels belongs to it.
  void loop() {
    std::vector<std::unique_ptr<Sequence>> arrivals;
    while (inbox_.take_all(arrivals, /*wait=*/scheduler_.is_empty())) {
      for (auto& sequence : arrivals) scheduler_.add(std::move(sequence));
      arrivals.clear();
      drop_cancelled();
      publish_stats();
      step();
      if (scheduler_.is_empty()) cache_.check_integrity();
      publish_stats();
    }
    for (auto& sequence : arrivals) scheduler_.add(std::move(sequence));
    for (Sequence* sequence : scheduler_.all()) end_cancelled(sequence);
    publish_stats();
  }

  void step() {
    std::span<const engine::SequenceShare> shares;
    try {
      shares = scheduler_.schedule();
      if (shares.empty()) return;
      for (engine::StepResult& result : runner_->run(shares)) deliver(result);
      n_steps_.fetch_add(1);
    } catch (const std::bad_alloc&) {
      fail_step(shares, std::make_exception_ptr(OutOfMemoryError(
                            "out of memory while computing; use a smaller context or batch")));
    } catch (...) {
      fail_step(shares, std::current_exception());
    }
  }

  // The last chunk goes out after the sequence is gone: whoever sees it finds its pages free.
  void deliver(engine::StepResult& result) {
    const auto channel = result.sequence->channel;
    if (result.is_last()) {
      scheduler_.remove(result.sequence);
      publish_stats();
    }
    if (result.error != nullptr)
      channel->fail(result.error);
    else
      channel->push(std::move(result.chunk));
  }

  // Out of memory, or a bug of ours: the requests of the step fail, the engine goes on serving.
  void fail_step(std::span<const engine::SequenceShare> shares, std::exception_ptr error) {
    std::vector<Sequence*> failed;
    for (const auto& share : shares) failed.push_back(share.sequence);
    const auto left = scheduler_.all();
    for (Sequence* sequence : shares.empty() ? left : failed) {
      if (std::find(left.begin(), left.end(), sequence) == left.end())
        continue;  // was delivered before the failure
      const auto channel = sequence->channel;
      scheduler_.remove(sequence);
      publish_stats();
      channel->fail(error);
    }
  }

  void drop_cancelled() {
    for (Sequence* sequence : scheduler_.all())
      if (sequence->channel->is_cancelled()) end_cancelled(sequence);
  }

  void end_cancelled(Sequence* sequence) {
    Chunk last;
    last.n_prompt = std::min(sequence->n_computed, sequence->n_prompt());
    last.finish_reason = FinishReason::cancelled;
    const auto channel = sequence->channel;
    scheduler_.remove(sequence);
    publish_stats();
    channel->push(std::move(last));
  }

  void publish_stats() {
    n_running_.store(scheduler_.n_running());
    n_waiting_.store(scheduler_.n_waiting());
    n_pages_used_.store(cache_.n_pages_used());
  }

  void check_logits_fit(const Request& request) const {
    if (!request.prompt_logits) return;
    const size_t n_bytes = request.prompt.size() * static_cast<size_t>(n_vocab()) * sizeof(float);
    const size_t available = available_memory();
    if (available > 0 && n_bytes > available / 2)
      throw OutOfMemoryError("the logits of " + std::to_string(request.prompt.size()) +
                             " tokens take " + std::to_string(n_bytes >> 20) +
                             " MiB, more than half of what is free; ask for fewer tokens");
  }

  const EngineOptions options_;
  ThreadPool pool_;
  std::unique_ptr<kernels::Ops> ops_;
  std::unique_ptr<model::Model> model_;
  const int64_t n_ctx_;
  kv::KvCache cache_;
  Scheduler scheduler_;
  std::unique_ptr<Runner> runner_;
  Inbox inbox_;

  std::atomic<int64_t> n_steps_{0}, n_pages_used_{0};
  std::atomic<int> n_running_{0}, n_waiting_{0};
  std::mutex join_mutex_;
  std::thread thread_;
};

Engine::Engine(const std::string& path, const EngineOptions& options)
    : impl_(std::make_unique<Impl>(path, options)) {}
Engine::~Engine() = default;
const std::string& Engine::device() const { return impl_->device(); }
int64_t Engine::n_ctx() const { return impl_->n_ctx(); }
int Engine::n_threads() const { return impl_->n_threads(); }
int64_t Engine::n_vocab() const { return impl_->n_vocab(); }
std::shared_ptr<Completion> Engine::submit(Request request) {
  return impl_->submit(std::move(request));
}
EngineStats Engine::stats() const { return impl_->stats(); }
void Engine::close() { impl_->close(); }

}  // namespace gptoss

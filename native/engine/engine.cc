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
#include "engine/service.h"
#include "engine/validate.h"
#include "kernels/devices.h"
#include "kernels/ops.h"
#include "kernels/profiling/profiling_ops.h"
#include "kv/kv_cache.h"
#include "model/model.h"

namespace gptoss {

using engine::Inbox;
using engine::Runner;
using engine::Sequence;
using engine::Service;

std::vector<std::string> devices() { return {"cpu", "reference"}; }
std::vector<std::string> cpu_isas(const std::string& compute) {
  return kernels::cpu_isas(engine::resolve_compute("cpu", compute));
}

namespace {

constexpr double kMostSecondsToClose = 10;

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
        plan_(engine::plan_cache(options_, *model_)) {
    model_->reserve(options_.n_batch, Runner::n_logits_rows(options_.max_sequences), plan_.n_ctx);
    service_ = std::make_unique<Service>(*model_, used_ops(), profile_.get(), options_, plan_);
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
    const int64_t n_most = options_.max_sequences + options_.max_queue;
    if (n_submitted_.fetch_add(1) - n_ended() >= n_most) {
      n_refused_.fetch_add(1);
      throw QueueFullError("the queue is full (" + std::to_string(options_.max_queue) +
                           " requests wait); try again later");
    }
    try {
      auto sequence = make_sequence(std::move(request));
      auto completion = std::make_shared<Completion>(sequence->channel);
      inbox_.put(std::move(sequence));
      return completion;
    } catch (...) {
      n_refused_.fetch_add(1);
      std::rethrow_exception(engine::current_error());
    }
  }

  EngineStats stats() const {
    return service_->stats(static_cast<int>(n_submitted_.load() - n_ended()));
  }

  std::vector<std::string> take_warnings() { return service_->take_warnings(); }

  const std::string& device() const { return options_.device; }
  const kernels::Ops& ops() const { return *ops_; }
  int64_t n_ctx() const { return plan_.n_ctx; }
  int n_threads() const { return pool_.size(); }
  int64_t n_vocab() const { return model_->config().n_vocab; }

 private:
  kernels::Ops& used_ops() { return profile_ != nullptr ? *profile_ : *ops_; }
  int64_t n_ended() const { return service_->n_ended() + n_refused_.load(); }

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
    sequence->resume_at.reserve(8);
    sequence->drafted.reserve(engine::kMostDrafted);
    sequence->tokens = request.prompt;
    // All of a prompt's logits can only be had by computing all of it.
    request.reuse_prefix &= options_.prefix_cache && !request.prompt_logits;
    // Of what is expected, no more can come than there is room for.
    const auto n_output = static_cast<size_t>(sequence->n_most - n_prompt);
    if (request.prediction.size() > n_output) request.prediction.resize(n_output);
    if (options_.speculation && request.speculate && request.forced.empty())
      sequence->drafter = std::make_unique<engine::SuffixDrafter>(request.prompt, sequence->n_most,
                                                                  std::move(request.prediction));
    // Whoever sends the same prompt again, or goes on from it, comes back to its end.
    sequence->resume_at.push_back(n_prompt);
    sequence->submitted = monotonic_seconds();
    if (request.timeout > 0) sequence->deadline = sequence->submitted + request.timeout;
    sequence->request = std::move(request);
    sequence->channel = std::make_shared<Completion::Channel>();
    return sequence;
  }

  // The engine thread. No failure ends the process: requests fail, and only a broken invariant
  // closes the engine.
  void loop() {
    for (bool is_open = true; is_open;) {
      try {
        is_open = serve();
      } catch (const InternalError&) {
        is_open = false;
        inbox_.close();
        fail_arrivals(std::current_exception());
        inbox_.take_all(arrivals_, /*wait=*/false);
        fail_arrivals(std::current_exception());
        service_->abandon(std::current_exception());
      } catch (...) {
        fail_arrivals(engine::current_error());
        service_->end_all(engine::current_error());
      }
    }
  }

  // One round: arrivals and a step. False once the inbox is closed and all is ended.
  bool serve() {
    const bool is_open =
        inbox_.take_all(arrivals_, /*wait=*/service_->is_idle() && !service_->has_unsaved());
    for (auto& arrival : arrivals_) service_->take(std::move(arrival));
    arrivals_.clear();
    if (is_open) {
      if (service_->is_idle() && service_->has_unsaved()) service_->save_some();
      service_->serve(should_stop_);
    } else {
      service_->end_all(nullptr);
      // A disk that does not follow loses what it would have kept.
      const double end = monotonic_seconds() + kMostSecondsToClose;
      while (service_->has_unsaved() && monotonic_seconds() < end) service_->save_some();
    }
    return is_open;
  }

  void fail_arrivals(std::exception_ptr error) {
    for (const auto& arrival : arrivals_) {
      if (arrival == nullptr) continue;  // the service has it
      n_refused_.fetch_add(1);
      arrival->channel->fail(error);
    }
    arrivals_.clear();
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
  std::unique_ptr<Service> service_;
  Inbox inbox_;
  const std::function<bool()> should_stop_ = [this] { return inbox_.is_closed(); };
  std::vector<std::unique_ptr<Sequence>> arrivals_;  // taken from the inbox, not yet the service's

  std::atomic<int64_t> n_submitted_{0}, n_refused_{0};  // refused: never came to the service
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
std::vector<std::string> Engine::take_warnings() { return impl_->take_warnings(); }
void Engine::close() {
  if (!impl_->is_foreign()) impl_->close();
}

}  // namespace gptoss

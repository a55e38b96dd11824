// Serves requests, one round after the other: what the engine thread does. Everything here belongs
// to that thread, but for the counters.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <gptoss/engine.h>

#include "engine/cache_plan.h"
#include "engine/runner.h"
#include "engine/scheduler.h"
#include "engine/step_times.h"
#include "kernels/ops.h"
#include "kernels/profiling/profiling_ops.h"
#include "kv/kv_cache.h"
#include "model/model.h"

namespace gptoss::engine {

class Service {
 public:
  // All borrowed. profile: the profiling Ops among which `ops` is, or nullptr.
  Service(model::Model& model, kernels::Ops& ops, kernels::ProfilingOps* profile,
          const EngineOptions& options, const CachePlan& plan);

  bool is_idle() const { return scheduler_.is_empty(); }
  // Prefixes that are to be written to disk when there is time.
  bool has_unsaved() const { return disk_ != nullptr && disk_->has_marked(); }
  // Writes some of them, as far as the disk follows within a moment.
  void save_some();
  // Takes the sequence unless it throws.
  void take(std::unique_ptr<Sequence>&& sequence) { scheduler_.add(std::move(sequence)); }
  // Ends what nobody waits for any more and computes a step. should_stop: asked during the step,
  // which is given up once it says so. Throws InternalError; other failures end requests.
  void serve(const std::function<bool()>& should_stop);
  // Ends every sequence, with an error or, with nullptr, as cancelled.
  void end_all(std::exception_ptr error);
  // Tells all callers of an error after which nothing here can be relied on.
  void abandon(std::exception_ptr error);

  // Any thread may call these. n_accepted: requests that have not ended.
  EngineStats stats(int n_accepted) const;
  int64_t n_ended() const { return n_ended_.load(); }
  std::vector<std::string> take_warnings();

 private:
  void end_unwanted();
  void guess();
  void step(const std::function<bool()>& should_stop);
  bool nobody_waits() const;
  void learn(std::span<const StepResult> results, double seconds);
  void deliver(StepResult& result, const SequenceShare& share, double begin, double end);
  void end_early(Sequence* sequence, FinishReason reason);
  std::shared_ptr<Completion::Channel> end(Sequence* sequence);
  void publish();

  kernels::ProfilingOps* const profile_;  // nullptr: none
  const int n_most_drafted_;              // of a step
  const int n_step_tokens_;
  kv::KvCache cache_;
  kv::DiskCache* const disk_;  // the cache's; nullptr: none
  Scheduler scheduler_;
  Runner runner_;
  StepTimes times_;
  std::span<const SequenceShare> step_;  // being computed; the scheduler's
  double last_step_end_ = 0;             // 0: there was nothing to do since

  // What any thread reads, as of the last round.
  std::atomic<int> n_running_{0};
  std::atomic<int64_t> n_ended_{0}, n_steps_{0}, n_pages_used_{0}, n_pages_cached_{0},
      n_preempted_{0}, n_prompt_tokens_{0}, n_generated_{0}, n_cached_{0}, n_drafted_{0},
      n_accepted_drafts_{0};
  std::atomic<double> seconds_in_steps_{0}, seconds_between_steps_{0};
};

// The exception being handled, as one of ours where it is the standard's.
std::exception_ptr current_error();

}  // namespace gptoss::engine

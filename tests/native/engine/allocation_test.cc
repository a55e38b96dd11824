// Contract 3: scheduling, computing and choosing allocate nothing once sequences have begun, and a
// failed allocation anywhere on the engine thread fails requests, never the process.
#include <atomic>
#include <cstdlib>
#include <new>

#include <gptoss/engine.h>
#include <gptoss/error.h>

#include "engine/runner.h"
#include "engine/scheduler.h"
#include "kernels/devices.h"
#include "testing.h"
#include "tiny_model.h"

namespace {

std::atomic<int64_t> n_allocations{0};
// Counts down on threads that are not `spared`; the allocation that reaches 0 fails.
std::atomic<int64_t> n_until_failure{-1};
thread_local bool is_spared = false;

}  // namespace

// Not inlined: gcc would pair our free with the standard new.
[[gnu::noinline]] void* operator new(size_t n) {
  n_allocations.fetch_add(1);
  if (!is_spared && n_until_failure.load() >= 0 && n_until_failure.fetch_sub(1) == 0)
    throw std::bad_alloc();
  if (void* p = std::malloc(n > 0 ? n : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

using namespace gptoss;
using namespace std::chrono_literals;

namespace {

// With a few drafted tokens for every sequence that generates.
std::span<const engine::SequenceShare> next_step(engine::Scheduler& scheduler) {
  for (const auto& sequence : scheduler.running()) {
    sequence->drafted.resize(3);
    sequence->draft = sequence->drafter->draft(sequence->tokens, sequence->drafted);
    sequence->n_to_check = sequence->is_generating() ? sequence->draft.n_tokens : 0;
  }
  return scheduler.schedule(32);
}

void check_steps_allocate_nothing(
    const std::function<std::unique_ptr<kernels::Ops>(ThreadPool&)>& make_ops) {
  constexpr int kBatch = 32, kSequences = 3;
  ThreadPool pool(2);
  const auto ops = make_ops(pool);
  const auto model = model::Model::load(testing::tiny_model_path(), *ops, pool);
  model->reserve(kBatch, engine::Runner::n_logits_rows(kSequences), 1024);
  kv::KvCache cache(model->kv_shape(), {4096, kSequences, kBatch});
  engine::Scheduler scheduler(cache, {kBatch, kSequences});
  const std::function<bool()> never = [] { return false; };
  engine::Runner runner(*model, *ops, cache, kBatch, kSequences);
  for (int i = 0; i < kSequences; ++i) {
    auto sequence = std::make_unique<engine::Sequence>();
    sequence->n_most = 600;
    sequence->tokens.reserve(600);
    sequence->pages.full.reserve(16);
    sequence->pages.window.reserve(16);
    sequence->request.prompt.assign(static_cast<size_t>(40 + 60 * i), 1);
    sequence->tokens = sequence->request.prompt;
    sequence->resume_at.reserve(8);
    sequence->resume_at.push_back(40 + 60 * i);
    sequence->drafted.reserve(engine::kMostDrafted);
    sequence->drafter =
        std::make_unique<engine::SuffixDrafter>(sequence->tokens, 600, std::vector<int32_t>{});
    sequence->params = {.top_p = 0.9f, .repetition_penalty = 1.2f, .top_logprobs = 4};
    scheduler.add(std::move(sequence));
  }
  // The prompts, and the first token of each, with which lists of logprobs get their length.
  for (int step = 0; step < 20; ++step) runner.run(next_step(scheduler), never);
  const int64_t before = n_allocations.load();
  for (int step = 0; step < 100; ++step) {
    const auto results = runner.run(next_step(scheduler), never);
    CHECK_EQ(results.size(), size_t{kSequences});
    for (const auto& result : results) CHECK(!result.tokens.empty());
  }
  CHECK_EQ(n_allocations.load() - before, int64_t{0});
}

}  // namespace

TEST(steps_allocate_nothing) {
  check_steps_allocate_nothing(kernels::make_reference_ops);
  for (const char* compute : {"int8", "bf16"})
    check_steps_allocate_nothing(
        [&](ThreadPool& pool) { return kernels::make_cpu_ops(pool, compute, ""); });
}

TEST(a_failed_allocation_fails_requests_and_nothing_else) {
  is_spared = true;
  Engine engine(testing::tiny_model_path(), {.n_ctx = 512, .n_threads = 1, .n_batch = 16});
  int n_failed = 0;
  for (int64_t k = 0; k < 120; ++k) {
    Request request{.prompt = {1, 2, 3}, .max_tokens = 4, .top_logprobs = 3, .prompt_logits = true};
    n_until_failure.store(k);
    const auto completion = engine.submit(request);
    try {
      for (bool done = false; !done;) {
        const auto chunk = completion->next_chunk(20s);
        CHECK(chunk.has_value());
        done = chunk->finish_reason != FinishReason::none;
      }
    } catch (const std::bad_alloc&) {
      ++n_failed;
    } catch (const OutOfMemoryError&) {
      ++n_failed;
    }
    n_until_failure.store(-1);
    // Whatever happened, the next request is served, and no page is lost.
    const auto next = engine.submit({.prompt = {1}, .max_tokens = 2});
    for (bool done = false; !done;) {
      const auto chunk = next->next_chunk(20s);
      CHECK(chunk.has_value());
      done = chunk->finish_reason != FinishReason::none;
    }
    CHECK_EQ(engine.stats().n_pages_used, int64_t{0});
    CHECK_EQ(engine.stats().n_running + engine.stats().n_waiting, 0);
  }
  CHECK(n_failed > 5);
}

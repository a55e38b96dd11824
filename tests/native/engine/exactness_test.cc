// Whatever the engine does to be fast, a request gives the same tokens and logprobs, to the bit.
//
// These tests are about numbers, and ThreadSanitizer makes the kernels some fifty times slower:
// they are left to the other builds. engine_test.cc and serving_fuzz_test.cc have threads enough.
#if !defined(__SANITIZE_THREAD__)
#include <filesystem>
#include <fstream>
#include <memory>

#include <gptoss/engine.h>

#include "engine/runner.h"
#include "engine/scheduler.h"
#include "kernels/devices.h"
#include "temp_dir.h"
#include "testing.h"
#include "tiny_model.h"

using namespace gptoss;
using namespace std::chrono_literals;

namespace {

struct Result {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  RequestStats stats;

  bool operator==(const Result& other) const {
    return tokens == other.tokens && logprobs == other.logprobs;
  }
};

Result collect(Completion& completion) {
  Result all;
  for (bool done = false; !done;) {
    const auto chunk = completion.next_chunk(30s);
    CHECK(chunk.has_value());
    all.tokens.insert(all.tokens.end(), chunk->tokens.begin(), chunk->tokens.end());
    all.logprobs.insert(all.logprobs.end(), chunk->logprobs.begin(), chunk->logprobs.end());
    done = chunk->finish_reason != FinishReason::none;
    all.stats = chunk->stats;
  }
  return all;
}

EngineOptions plain() {
  return {
      .n_ctx = 1024, .n_threads = 2, .n_batch = 256, .prefix_cache = false, .speculation = false};
}

// Prompts with beginnings in common, of lengths on both sides of pages and windows.
std::vector<Request> requests() {
  std::vector<Request> all;
  for (const int n_prompt : {5, 63, 64, 65, 127, 128, 190, 191, 192, 193, 300, 450}) {
    const auto i = static_cast<int>(all.size());
    Request r{.max_tokens = 40,
              .temperature = i % 3 == 0 ? 0.0f : 0.8f,
              .repetition_penalty = i % 2 == 0 ? 1.0f : 1.1f,
              .seed = static_cast<uint64_t>(i),
              .top_logprobs = 2};
    for (int k = 0; k < n_prompt; ++k)
      r.prompt.push_back((k < 100 + 37 * (i % 4) ? k * 31 : k * 17 + i) %
                         testing::TinyModel::kVocab);
    all.push_back(r);
  }
  return all;
}

std::vector<Result> one_by_one(const EngineOptions& options, const std::vector<Request>& requests) {
  Engine engine(testing::tiny_model_path(), options);
  std::vector<Result> results;
  for (const Request& request : requests) results.push_back(collect(*engine.submit(request)));
  return results;
}

std::vector<Result> together(Engine& engine, const std::vector<Request>& requests) {
  std::vector<std::shared_ptr<Completion>> completions;
  for (const Request& request : requests) completions.push_back(engine.submit(request));
  std::vector<Result> results;
  for (const auto& completion : completions) results.push_back(collect(*completion));
  return results;
}

const std::vector<Result>& expected() {
  static const std::vector<Result> results = one_by_one(plain(), requests());
  return results;
}

}  // namespace

TEST(a_prefix_from_the_cache_changes_nothing) {
  for (const int n_batch : {256, 50, 7}) {
    EngineOptions options = plain();
    options.prefix_cache = true;
    options.n_batch = n_batch;
    Engine engine(testing::tiny_model_path(), options);
    for (int round = 0; round < 2; ++round) {
      for (size_t i = 0; i < requests().size(); ++i) {
        const Result result = collect(*engine.submit(requests()[i]));
        CHECK(result == expected()[i]);
        // The second time all but the last token of the prompt is known.
        if (round == 1) CHECK_EQ(result.stats.n_cached, std::ssize(requests()[i].prompt) - 1);
      }
      CHECK(together(engine, requests()) == expected());
    }
    CHECK(engine.stats().n_pages_cached > 0);
  }
}

TEST(a_conversation_goes_on_where_it_was) {
  EngineOptions options = plain();
  options.prefix_cache = true;
  Engine engine(testing::tiny_model_path(), options), without(testing::tiny_model_path(), plain());
  Request turn = requests()[8];
  for (int i = 0; i < 5; ++i) {
    const Result result = collect(*engine.submit(turn));
    CHECK(result == collect(*without.submit(turn)));
    // All that was computed for the turn before, which is everything but its last token.
    if (i > 0) CHECK_EQ(result.stats.n_cached, std::ssize(turn.prompt) - 31);
    // The next prompt: what was said and 30 tokens more.
    turn.prompt.insert(turn.prompt.end(), result.tokens.begin(), result.tokens.end());
    for (int k = 0; k < 30; ++k) turn.prompt.push_back((k * 7 + i) % testing::TinyModel::kVocab);
  }
  // An answer that is not what was generated: all of the prompt before it is known still.
  Request other = requests()[8];
  other.prompt.resize(other.prompt.size() + 50, 3);
  CHECK_EQ(collect(*engine.submit(other)).stats.n_cached, std::ssize(requests()[8].prompt));
}

TEST(prefixes_outlive_the_process) {
  const testing::TempDir folder;
  EngineOptions options = plain();
  options.prefix_cache = true;
  options.prefix_folder = folder.path() / "prefixes";
  const auto run = [&](bool is_known) {
    Engine engine(testing::tiny_model_path(), options);
    for (size_t i = 0; i < requests().size(); ++i) {
      const Result result = collect(*engine.submit(requests()[i]));
      CHECK(result == expected()[i]);
      if (is_known) CHECK_EQ(result.stats.n_cached, std::ssize(requests()[i].prompt) - 1);
    }
    Request next = requests()[8];  // and what was answered
    next.prompt.insert(next.prompt.end(), expected()[8].tokens.begin(), expected()[8].tokens.end());
    next.prompt.push_back(5);
    const Result result = collect(*engine.submit(next));
    if (is_known) CHECK_EQ(result.stats.n_cached, std::ssize(next.prompt) - 1);
    return std::pair(result, engine.take_warnings());
  };
  const auto first = run(false), second = run(true);
  CHECK(first.first == second.first);
  CHECK(first.second.empty() && second.second.empty());
  // Other arithmetic, other K and V.
  EngineOptions other = options;
  other.compute = "bf16";
  CHECK_EQ(collect(*Engine(testing::tiny_model_path(), other).submit(requests()[8])).stats.n_cached,
           int64_t{0});
  // What is damaged is not used.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(options.prefix_folder)) {
    if (!entry.is_regular_file()) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5000);
    file.put(77);
  }
  const auto damaged = run(false);
  CHECK(first.first == damaged.first);
  CHECK(!damaged.second.empty());
  CHECK(damaged.second[0].find("damaged") != std::string::npos);
  CHECK(first.first == run(false).first);
}

TEST(completions_of_one_prompt_share_its_prefill) {
  EngineOptions options = plain();
  options.prefix_cache = true;
  Engine engine(testing::tiny_model_path(), options);
  std::vector<Request> both;
  for (uint32_t i = 0; i < 6; ++i) {
    both.push_back(requests()[10]);
    both.back().temperature = 1;
    both.back().completion_index = i;
  }
  CHECK(together(engine, both) == one_by_one(plain(), both));
  // All, or all but a few where the others came when most of the prompt was done.
  CHECK(engine.stats().n_cached_tokens >= 5 * (299 - 16));
}

TEST(guesses_change_nothing) {
  EngineOptions options = plain();
  options.speculation = true;
  Engine engine(testing::tiny_model_path(), options);
  // Right guesses, wrong ones, and those that are right until a point.
  for (const int kind : {0, 1, 2, 3}) {
    std::vector<Request> guessed = requests();
    for (size_t i = 0; i < guessed.size(); ++i) {
      std::vector<int32_t>& prediction = guessed[i].prediction;
      if (kind > 0) prediction = expected()[i].tokens;
      if (kind == 2) prediction[20] = 1;
      if (kind == 3) std::reverse(prediction.begin(), prediction.end());
    }
    for (size_t i = 0; i < guessed.size(); ++i)
      CHECK(collect(*engine.submit(guessed[i])) == expected()[i]);
    CHECK(together(engine, guessed) == expected());
  }
  CHECK(engine.stats().n_accepted_tokens > 20);
  // What is accepted saves steps.
  Request guessed = requests()[0];
  guessed.prediction = expected()[0].tokens;
  const EngineStats before = engine.stats();
  CHECK(collect(*engine.submit(guessed)) == expected()[0]);
  const EngineStats after = engine.stats();
  CHECK_EQ(after.n_steps - before.n_steps,
           1 + 39 - (after.n_accepted_tokens - before.n_accepted_tokens));
}

TEST(stop_tokens_and_limits_hold_within_a_guess) {
  EngineOptions options = plain();
  options.speculation = true;
  Engine engine(testing::tiny_model_path(), options);
  for (int n = 1; n < 40; n += 3) {
    Request request = requests()[8];
    request.prediction = expected()[8].tokens;
    request.max_tokens = n;
    const Result limited = collect(*engine.submit(request));
    CHECK_EQ(std::ssize(limited.tokens), std::ptrdiff_t{n});
    request.max_tokens = 40;
    request.stop_tokens = {expected()[8].tokens[static_cast<size_t>(n)]};
    const Result stopped = collect(*engine.submit(request));
    const auto& tokens = expected()[8].tokens;
    const auto end = std::find(tokens.begin(), tokens.end(), request.stop_tokens[0]) + 1;
    CHECK(stopped.tokens == std::vector<int32_t>(tokens.begin(), end));
  }
}

TEST(giving_way_at_every_step_changes_nothing) {
  for (const bool keeps_prefixes : {true, false}) {
    constexpr int kBatch = 700, kSequences = 2;
    ThreadPool pool(2);
    const auto ops = kernels::make_cpu_ops(pool, "int8", "");
    const auto model = model::Model::load(testing::tiny_model_path(), *ops, pool);
    model->reserve(kBatch, engine::Runner::n_logits_rows(kSequences), 1024);
    kv::KvCache cache(model->kv_shape(), {1024, kSequences, kBatch, keeps_prefixes});
    engine::Scheduler scheduler(cache, {kBatch, kSequences});
    engine::Runner runner(*model, *ops, cache, kBatch, kSequences);
    for (const size_t which : {4, 11}) {
      auto sequence = std::make_unique<engine::Sequence>();
      sequence->request = requests()[which];
      sequence->request.reuse_prefix = keeps_prefixes;
      sequence->tokens = sequence->request.prompt;
      sequence->n_most = sequence->n_prompt() + 40;
      sequence->tokens.reserve(static_cast<size_t>(sequence->n_most));
      sequence->params = {.temperature = sequence->request.temperature,
                          .repetition_penalty = sequence->request.repetition_penalty,
                          .seed = sequence->request.seed};
      scheduler.add(std::move(sequence));
    }
    int n_done = 0;
    for (int step = 0; n_done < 2; ++step) {
      CHECK(step < 500);
      scheduler.preempt_last();
      for (const auto& result : runner.run(scheduler.schedule(kBatch), [] { return false; })) {
        if (result.finish_reason == FinishReason::none) continue;
        const size_t which = result.sequence->n_prompt() == 127 ? 4 : 11;
        CHECK(std::ranges::equal(result.sequence->output(), expected()[which].tokens));
        ++n_done;
        scheduler.remove(result.sequence);
        break;  // the others' results stand, but their sequences may have moved on
      }
      scheduler.check_integrity();
    }
    CHECK(scheduler.n_preempted() >= 40);
  }
}

TEST(a_timeout_ends_a_request_as_it_is) {
  EngineOptions options = plain();
  options.n_ctx = 4096;
  Engine engine(testing::tiny_model_path(), options);
  Request endless = requests()[3];
  endless.max_tokens = -1;
  endless.timeout = 0.05;
  const auto completion = engine.submit(endless);
  FinishReason reason = FinishReason::none;
  for (; reason == FinishReason::none;) reason = completion->next_chunk(30s)->finish_reason;
  CHECK(reason == FinishReason::timeout);
}
#endif

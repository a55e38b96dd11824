// What the engine reports about its steps.
#include <gptoss/engine.h>
#include <gptoss/error.h>

#include "testing.h"
#include "tiny_model.h"

using namespace gptoss;
using namespace std::chrono_literals;

namespace {

EngineOptions options(bool profile) {
  return {.n_ctx = 512, .n_threads = 2, .n_batch = 64, .profile = profile, .prefix_cache = false};
}

Request request(int n_prompt, int64_t max_tokens, int64_t n_depth = 0, bool profile = false) {
  Request r{.max_tokens = max_tokens, .temperature = 0, .n_depth = n_depth, .profile = profile};
  for (int i = 0; i < n_prompt; ++i) r.prompt.push_back(i * 31 % testing::TinyModel::kVocab);
  return r;
}

// Tokens and steps of a whole completion.
Chunk collect(Completion& completion) {
  Chunk all;
  while (all.finish_reason == FinishReason::none) {
    auto chunk = completion.next_chunk(20s);
    CHECK(chunk.has_value());
    all.tokens.insert(all.tokens.end(), chunk->tokens.begin(), chunk->tokens.end());
    all.steps.insert(all.steps.end(), chunk->steps.begin(), chunk->steps.end());
    all.finish_reason = chunk->finish_reason;
  }
  return all;
}

std::vector<int64_t> tokens_of_steps(const Chunk& all) {
  std::vector<int64_t> counts;
  for (const StepReport& step : all.steps) counts.push_back(step.n_tokens);
  return counts;
}

}  // namespace

TEST(every_step_is_reported_once_and_in_order) {
  Engine engine(testing::tiny_model_path(), options(false));
  const Chunk all = collect(*engine.submit(request(100, 3)));
  CHECK(tokens_of_steps(all) == (std::vector<int64_t>{64, 36, 1, 1}));
  double before = 0;
  for (const StepReport& step : all.steps) {
    CHECK(before <= step.begin && step.begin < step.end);
    CHECK(step.calls.empty());
    before = step.end;
  }
}

TEST(a_step_ends_at_the_depth) {
  Engine engine(testing::tiny_model_path(), options(false));
  const Chunk whole = collect(*engine.submit(request(100, 4)));
  const Chunk cut = collect(*engine.submit(request(100, 4, 70)));
  CHECK(tokens_of_steps(cut) == (std::vector<int64_t>{64, 6, 30, 1, 1, 1}));
  CHECK(cut.tokens == whole.tokens);
  CHECK_THROWS(RequestError, engine.submit(request(10, 1, 11)), "n_depth is 11");
  CHECK_THROWS(RequestError, engine.submit(request(10, 1, -1)), "n_depth is -1");
}

TEST(a_profile_names_every_operation_within_its_step) {
  Engine engine(testing::tiny_model_path(), options(true));
  const Chunk plain = collect(*engine.submit(request(20, 3)));
  const Chunk profiled = collect(*engine.submit(request(20, 3, 0, true)));
  CHECK(plain.tokens == profiled.tokens);
  for (const StepReport& step : plain.steps) CHECK(step.calls.empty());
  for (const StepReport& step : profiled.steps) {
    CHECK_EQ(step.calls.size(), size_t{3 + 8 * testing::TinyModel::kLayers});
    CHECK_EQ(std::string(step.calls.front().name), "embed");
    CHECK_EQ(std::string(step.calls.back().name), "choose");
    CHECK(step.begin <= step.calls.front().begin && step.calls.back().end <= step.end);
  }
  CHECK(profiled.steps[0].calls[2].macs == 20 * profiled.steps[1].calls[2].macs);
}

TEST(a_profile_needs_an_engine_made_for_it) {
  Engine engine(testing::tiny_model_path(), options(false));
  CHECK_THROWS(RequestError, engine.submit(request(4, 1, 0, true)), "opened without profile");
}

TEST(a_device_says_what_it_computes_with) {
  EngineOptions wanted = options(false);
  CHECK_EQ(Engine(testing::tiny_model_path(), wanted).arithmetic(), "int8");
  wanted.device = "reference";
  CHECK_EQ(Engine(testing::tiny_model_path(), wanted).arithmetic(), "float32");
  CHECK_EQ(Engine(testing::tiny_model_path(), wanted).isa(), "scalar");
}

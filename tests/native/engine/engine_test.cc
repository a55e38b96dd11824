#include <future>
#include <limits>
#include <poll.h>
#include <thread>

#include <gptoss/engine.h>
#include <gptoss/error.h>

#include "testing.h"
#include "tiny_model.h"

using namespace gptoss;
using namespace std::chrono_literals;

namespace {

const std::string& model_path() { return testing::tiny_model_path(); }

EngineOptions options(int n_batch = 64, int64_t n_ctx = 1024) {
  return {.n_ctx = n_ctx, .n_threads = 2, .n_batch = n_batch};
}

Request request(int n_prompt, int64_t max_tokens, float temperature = 0) {
  Request r{.max_tokens = max_tokens, .temperature = temperature};
  for (int i = 0; i < n_prompt; ++i) r.prompt.push_back((i * 31 + 7) % testing::TinyModel::kVocab);
  return r;
}

// Everything a completion gives, merged.
Chunk collect(Completion& completion) {
  Chunk all;
  while (all.finish_reason == FinishReason::none) {
    auto chunk = completion.next_chunk(10s);
    if (!chunk) throw std::runtime_error("no chunk within 10 s");
    all.tokens.insert(all.tokens.end(), chunk->tokens.begin(), chunk->tokens.end());
    all.logprobs.insert(all.logprobs.end(), chunk->logprobs.begin(), chunk->logprobs.end());
    all.prompt_logits.insert(all.prompt_logits.end(), chunk->prompt_logits.begin(),
                             chunk->prompt_logits.end());
    all.n_prompt = chunk->n_prompt;
    all.finish_reason = chunk->finish_reason;
  }
  return all;
}

void check_no_pages(const Engine& engine) { CHECK_EQ(engine.stats().n_pages_used, int64_t{0}); }

}  // namespace

TEST(generates_until_the_limit) {
  Engine engine(model_path(), options());
  const Chunk all = collect(*engine.submit(request(10, 20)));
  CHECK_EQ(all.tokens.size(), size_t{20});
  CHECK(all.finish_reason == FinishReason::length);
  CHECK_EQ(all.n_prompt, int64_t{10});
  check_no_pages(engine);
}

TEST(forced_tokens_come_before_sampled_ones) {
  Engine engine(model_path(), options());
  Request forced = request(10, 6);
  forced.forced = {5, 4, 3};
  const Chunk all = collect(*engine.submit(forced));
  CHECK_EQ(all.tokens.size(), size_t{6});
  CHECK(std::equal(forced.forced.begin(), forced.forced.end(), all.tokens.begin()));
  // What follows is what a prompt with these tokens gets.
  Request given = request(10, 3);
  given.prompt.insert(given.prompt.end(), forced.forced.begin(), forced.forced.end());
  const Chunk rest = collect(*engine.submit(given));
  CHECK(std::equal(rest.tokens.begin(), rest.tokens.end(), all.tokens.begin() + 3));
}

TEST(a_stop_token_ends_and_is_part_of_the_output) {
  Engine engine(model_path(), options());
  const Chunk all = collect(*engine.submit(request(10, 20)));
  Request stopped = request(10, 20);
  stopped.stop_tokens = {all.tokens[5]};
  const auto first = std::find(all.tokens.begin(), all.tokens.end(), all.tokens[5]);
  const Chunk part = collect(*engine.submit(stopped));
  CHECK(part.tokens == std::vector<int32_t>(all.tokens.begin(), first + 1));
  CHECK(part.finish_reason == FinishReason::stop);
}

TEST(the_context_ends_a_generation) {
  Engine engine(model_path(), options(64, 50));
  const Chunk all = collect(*engine.submit(request(45, -1)));
  CHECK_EQ(all.tokens.size(), size_t{5});
  CHECK(all.finish_reason == FinishReason::length);
  CHECK_EQ(collect(*engine.submit(request(49, 7))).tokens.size(), size_t{1});
  CHECK_THROWS(RequestError, engine.submit(request(50, 1)), "50 tokens");
  CHECK_EQ(collect(*engine.submit(request(50, 0))).tokens.size(), size_t{0});
}

TEST(company_changes_nothing) {
  Engine alone(model_path(), options());
  std::vector<Request> requests;
  for (int i = 0; i < (testing::kThreadSanitizer ? 4 : 12); ++i) {
    Request r = request(3 + 17 * i, 30, 1.0f);
    r.seed = static_cast<uint64_t>(i);
    r.top_logprobs = 0;
    requests.push_back(r);
  }
  std::vector<Chunk> expected;
  for (const Request& r : requests) expected.push_back(collect(*alone.submit(r)));
  // 5 batch tokens cut the prompts small; a cache of one sequence's length makes them give way.
  for (const auto& [n_batch, n_cached] : {std::pair{64, 0}, {5, 0}, {33, 256}}) {
    EngineOptions o = options(n_batch, n_cached > 0 ? n_cached : 1024);
    o.n_cached = n_cached;
    Engine engine(model_path(), o);
    std::vector<std::shared_ptr<Completion>> completions;
    for (const Request& r : requests) completions.push_back(engine.submit(r));
    for (size_t i = 0; i < requests.size(); ++i) {
      const Chunk all = collect(*completions[i]);
      CHECK(all.tokens == expected[i].tokens);
      CHECK(all.logprobs == expected[i].logprobs);
      CHECK_EQ(all.n_prompt, std::ssize(requests[i].prompt));
    }
    CHECK_EQ(engine.stats().n_preempted > 0, n_cached > 0);
    check_no_pages(engine);
  }
}

TEST(giving_way_sends_nothing_twice) {
  EngineOptions o = options(64, 256);
  o.n_cached = 256;
  Engine engine(model_path(), o);
  std::vector<std::shared_ptr<Completion>> completions;
  for (int i = 0; i < 4; ++i) {
    Request r = request(60 + i, 60);
    r.prompt_logits = true;
    r.top_logprobs = 2;
    completions.push_back(engine.submit(r));
  }
  for (int i = 0; i < 4; ++i) {
    int64_t n_prompt = 0, n_rows = 0, n_tokens = 0;
    for (bool done = false; !done;) {
      const auto chunk = completions[static_cast<size_t>(i)]->next_chunk(10s);
      CHECK(chunk.has_value());
      CHECK(chunk->n_prompt >= n_prompt);
      n_prompt = chunk->n_prompt;
      n_rows += std::ssize(chunk->prompt_logits) / testing::TinyModel::kVocab;
      n_tokens += std::ssize(chunk->tokens);
      CHECK_EQ(chunk->top_logprobs.size(), chunk->tokens.size());
      for (const auto& best : chunk->top_logprobs) {
        CHECK_EQ(best.size(), size_t{2});
        CHECK(best[0].second >= best[1].second);
      }
      done = chunk->finish_reason != FinishReason::none;
    }
    CHECK_EQ(n_rows, int64_t{60 + i});
    CHECK_EQ(n_tokens, int64_t{60});
  }
  CHECK(engine.stats().n_preempted > 0);
}

TEST(prompt_logits_come_once_for_every_position) {
  Engine engine(model_path(), options(16));
  Request r = request(100, 0);
  r.prompt_logits = true;
  const Chunk all = collect(*engine.submit(r));
  CHECK_EQ(all.prompt_logits.size(), size_t{100 * testing::TinyModel::kVocab});
}

TEST(cancelling_stops_within_a_step) {
  Engine engine(model_path(), options(64, 4096));
  auto completion = engine.submit(request(10, -1));
  completion->next_chunk(10s);
  completion->cancel();
  const int64_t steps = engine.stats().n_steps;
  const Chunk last = collect(*completion);
  CHECK(last.finish_reason == FinishReason::cancelled);
  CHECK(engine.stats().n_steps <=
        steps + 2);  // the one under way, and one that began before the flag was seen
  check_no_pages(engine);
  const int64_t stopped_at = engine.stats().n_steps;
  std::this_thread::sleep_for(50ms);
  CHECK_EQ(engine.stats().n_steps, stopped_at);
}

TEST(a_long_step_is_given_up_when_nobody_waits_for_it) {
  for (const bool by_closing : {false, true}) {
    Engine engine(model_path(), options(4096, 4096));
    auto completion = engine.submit(request(4000, 1));  // one step of a second or more
    while (engine.stats().n_running == 0) std::this_thread::sleep_for(1ms);
    if (by_closing)
      engine.close();
    else
      completion->cancel();
    const Chunk last = collect(*completion);
    CHECK(last.finish_reason == FinishReason::cancelled);
    CHECK_EQ(last.n_prompt, int64_t{0});
    CHECK_EQ(engine.stats().n_steps, int64_t{0});
    check_no_pages(engine);
  }
}

TEST(what_waits_can_be_cancelled) {
  EngineOptions one = options(64, 4096);
  one.max_sequences = 1;
  Engine engine(model_path(), one);
  auto running = engine.submit(request(10, -1));
  auto waiting = engine.submit(request(10, -1));
  running->next_chunk(10s);
  waiting->cancel();
  const Chunk last = collect(*waiting);
  CHECK(last.finish_reason == FinishReason::cancelled);
  CHECK_EQ(last.tokens.size() + static_cast<size_t>(last.n_prompt), size_t{0});
}

TEST(a_huge_limit_is_a_limit) {
  Engine engine(model_path(), options(64, 64));
  CHECK_EQ(collect(*engine.submit(request(60, std::numeric_limits<int64_t>::max()))).tokens.size(),
           size_t{4});
}

TEST(a_dropped_completion_is_cancelled) {
  Engine engine(model_path(), options(64, 4096));
  engine.submit(request(10, -1));
  for (int i = 0; i < 1000 && engine.stats().n_running + engine.stats().n_waiting > 0; ++i)
    std::this_thread::sleep_for(10ms);
  CHECK_EQ(engine.stats().n_running, 0);
  check_no_pages(engine);
}

TEST(a_thousand_streams_opened_and_closed) {
  Engine engine(model_path(), options(64, 4096));
  for (int i = 0; i < (testing::kThreadSanitizer ? 100 : 1000); ++i) {
    std::shared_ptr<Completion> completion;
    while (!completion) {
      try {
        completion = engine.submit(request(1 + i % 90, -1, 1.0f));
      } catch (const QueueFullError&) {
        std::this_thread::sleep_for(1ms);
      }
    }
    if (i % 3 == 0) completion->next_chunk(10s);
    if (i % 5 == 0) completion->fd();
  }
  for (int i = 0; i < 1000 && engine.stats().n_running + engine.stats().n_waiting > 0; ++i)
    std::this_thread::sleep_for(10ms);
  CHECK_EQ(engine.stats().n_running + engine.stats().n_waiting, 0);
  check_no_pages(engine);
}

TEST(a_full_queue_is_said_and_gets_better) {
  EngineOptions few = options(64, 4096);
  few.max_sequences = 1;
  few.max_queue = 2;
  Engine engine(model_path(), few);
  std::vector<std::shared_ptr<Completion>> accepted;
  bool was_full = false;
  for (int i = 0; i < 10 && !was_full; ++i) {
    CHECK_EQ(engine.stats().n_running + engine.stats().n_waiting, i);
    try {
      accepted.push_back(engine.submit(request(10, -1)));
    } catch (const QueueFullError& error) {
      was_full = true;
      CHECK(std::string(error.what()).find("try again") != std::string::npos);
    }
  }
  CHECK(was_full);
  CHECK_EQ(accepted.size(), size_t{3});  // one that runs, two that wait
  accepted.clear();
  for (int i = 0; i < 1000; ++i) {
    try {
      CHECK_EQ(collect(*engine.submit(request(5, 3))).tokens.size(), size_t{3});
      return;
    } catch (const QueueFullError&) {
      std::this_thread::sleep_for(10ms);
    }
  }
  CHECK(false);
}

TEST(the_descriptor_says_when_a_chunk_waits) {
  Engine engine(model_path(), options());
  auto completion = engine.submit(request(10, 5));
  pollfd descriptor{completion->fd(), POLLIN, 0};
  for (bool done = false; !done;) {
    CHECK_EQ(::poll(&descriptor, 1, 10000), 1);
    const auto chunk = completion->next_chunk(0s);
    CHECK(chunk.has_value());
    done = chunk->finish_reason != FinishReason::none;
  }
  CHECK_THROWS(RequestError, completion->next_chunk(0s), "no further chunks");
}

TEST(closing_ends_everything) {
  Engine engine(model_path(), options(64, 4096));
  std::vector<std::shared_ptr<Completion>> completions;
  for (int i = 0; i < 20; ++i) completions.push_back(engine.submit(request(10, -1)));
  completions[0]->next_chunk(10s);
  engine.close();
  engine.close();
  for (const auto& completion : completions)
    CHECK(collect(*completion).finish_reason == FinishReason::cancelled);
  CHECK_THROWS(RequestError, engine.submit(request(1, 1)), "closed");
}

TEST(many_callers_at_once) {
  Engine engine(model_path(), options());
  const Chunk expected = collect(*engine.submit(request(20, 10)));
  std::vector<std::future<bool>> callers;
  for (int i = 0; i < 8; ++i)
    callers.push_back(std::async(std::launch::async, [&, i] {
      bool same = true;
      for (int round = 0; round < (testing::kThreadSanitizer ? 3 : 10); ++round) {
        auto completion = engine.submit(request(20, 10));
        if ((i + round) % 4 == 0) {
          completion->cancel();
          collect(*completion);
        } else {
          same = same && collect(*completion).tokens == expected.tokens;
        }
      }
      return same;
    }));
  for (auto& caller : callers) CHECK(caller.get());
  check_no_pages(engine);
}

TEST(bad_requests_are_refused_by_name) {
  Engine engine(model_path(), options());
  const auto refused = [&](auto change, const char* part) {
    Request r = request(3, 3);
    change(r);
    CHECK_THROWS(RequestError, engine.submit(r), part);
  };
  refused([](Request& r) { r.prompt.clear(); }, "prompt");
  refused([](Request& r) { r.prompt[1] = -1; }, "token id below 96");
  refused([](Request& r) { r.prompt[1] = 96; }, "token id below 96");
  refused([](Request& r) { r.stop_tokens = {1000}; }, "stop token");
  refused([](Request& r) { r.temperature = -1; }, "temperature");
  refused([](Request& r) { r.temperature = NAN; }, "temperature");
  refused([](Request& r) { r.top_p = 0; }, "top_p");
  refused([](Request& r) { r.min_p = 1.5f; }, "min_p");
  refused([](Request& r) { r.top_k = -1; }, "top_k");
  refused([](Request& r) { r.repetition_penalty = 0; }, "repetition_penalty");
  refused([](Request& r) { r.logit_bias = {{96, 1.0f}}; }, "logit_bias");
  refused([](Request& r) { r.logit_bias = {{1, INFINITY}}; }, "logit_bias");
  refused([](Request& r) { r.top_logprobs = 97; }, "top_logprobs");
  refused([](Request& r) { r.max_tokens = -2; }, "max_tokens");
}

TEST(forbidding_every_token_fails_that_request_only) {
  Engine engine(model_path(), options());
  Request hopeless = request(3, 3);
  for (int32_t token = 0; token < testing::TinyModel::kVocab; ++token)
    hopeless.logit_bias.push_back({token, -INFINITY});
  auto failing = engine.submit(hopeless);
  auto fine = engine.submit(request(3, 3));
  CHECK_THROWS(Error, collect(*failing), "finite logit");
  CHECK_EQ(collect(*fine).tokens.size(), size_t{3});
  check_no_pages(engine);
}

TEST(bad_options_are_refused_by_name) {
  const auto refused = [](auto change, const char* part) {
    EngineOptions o = options();
    change(o);
    CHECK_THROWS(RequestError, Engine(model_path(), o), part);
  };
  refused([](EngineOptions& o) { o.device = "abacus"; }, "reference");
  refused([](EngineOptions& o) { o.n_batch = 0; }, "n_batch");
  refused([](EngineOptions& o) { o.n_ctx = 5000; }, "4096");
  refused([](EngineOptions& o) { o.n_threads = -1; }, "n_threads");
  refused([](EngineOptions& o) { o.max_queue = -1; }, "max_queue");
  CHECK_THROWS(ModelFileError, Engine("/nowhere.gguf", options()), "/nowhere.gguf");
  EngineOptions huge = options(1 << 20, 4096);
  huge.max_sequences = 4096;
  huge.n_cached = int64_t{1} << 40;
  CHECK_THROWS(OutOfMemoryError, Engine(model_path(), huge), "MiB are free");
}

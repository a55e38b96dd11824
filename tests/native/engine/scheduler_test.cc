// Scripted traces of the scheduler: no model, no threads.
#include "engine/scheduler.h"

#include <string>

#include "testing.h"

using namespace gptoss;
using namespace gptoss::engine;

namespace {

constexpr kv::KvShape kShape{.n_layers = 2, .n_kv_heads = 1, .head_page_bytes = 16384};

class Trace {
 public:
  Trace(int n_pages, int n_step_tokens, int max_sequences)
      : cache(kShape, int64_t{64} * n_pages, max_sequences, n_step_tokens),
        scheduler(cache, {n_step_tokens, max_sequences}) {}

  // Request `index` (0, 1, ...) with a prompt of n tokens.
  Sequence* add(int64_t n_prompt, int64_t n_most = 1 << 20) {
    auto sequence = std::make_unique<Sequence>();
    sequence->request.prompt.resize(static_cast<size_t>(n_prompt));
    sequence->tokens.resize(static_cast<size_t>(n_prompt));
    sequence->n_most = n_most;
    Sequence* added = sequence.get();
    all_.push_back(added);
    scheduler.add(std::move(sequence));
    return added;
  }

  // Schedules a step and "computes" it; "0:5 2:1" = five tokens of request 0, one of request 2.
  std::string step() {
    std::string text;
    const auto shares = scheduler.schedule();
    std::vector<SequenceShare> copy(shares.begin(), shares.end());
    for (const auto& [sequence, n_tokens] : copy) {
      const auto index = std::find(all_.begin(), all_.end(), sequence) - all_.begin();
      text += (text.empty() ? "" : " ") + std::to_string(index) + ":" + std::to_string(n_tokens);
      sequence->n_computed += n_tokens;
      cache.free_behind_window(sequence->pages, sequence->n_computed);
      if (sequence->n_to_compute() == 0) sequence->tokens.push_back(0);
    }
    cache.check_integrity();
    return text;
  }

  kv::KvCache cache;
  Scheduler scheduler;

 private:
  std::vector<Sequence*> all_;
};

}  // namespace

TEST(prompts_are_cut_into_steps_and_decoding_goes_first) {
  Trace trace(100, 10, 4);
  trace.add(25);
  trace.add(3);
  CHECK_EQ(trace.step(), "0:10");
  CHECK_EQ(trace.step(), "0:10");
  CHECK_EQ(trace.step(), "0:5 1:3");
  trace.add(20);
  CHECK_EQ(trace.step(), "0:1 1:1 2:8");
  CHECK_EQ(trace.step(), "0:1 1:1 2:8");
  CHECK_EQ(trace.step(), "0:1 1:1 2:4");
  CHECK_EQ(trace.step(), "0:1 1:1 2:1");
}

TEST(no_more_sequences_than_allowed) {
  Trace trace(100, 10, 2);
  Sequence* first = trace.add(1);
  trace.add(1);
  trace.add(1);
  CHECK_EQ(trace.step(), "0:1 1:1");
  CHECK_EQ(trace.scheduler.n_waiting(), 1);
  trace.scheduler.remove(first);
  CHECK_EQ(trace.step(), "1:1 2:1");
}

TEST(a_newcomer_waits_for_pages_and_displaces_nobody) {
  Trace trace(3, 200, 4);
  Sequence* first = trace.add(100);  // 2 pages
  trace.add(70);                     // wants 2, one is left
  CHECK_EQ(trace.step(), "0:100");
  CHECK_EQ(trace.step(), "0:1");
  trace.scheduler.remove(first);
  CHECK_EQ(trace.step(), "1:70");
}

TEST(the_youngest_gives_way_and_comes_back) {
  Trace trace(3, 200, 4);
  Sequence* first = trace.add(120);  // 2 pages, a third at 128
  trace.add(60);                     // 1 page
  CHECK_EQ(trace.step(), "0:120 1:60");
  for (int i = 0; i < 4; ++i) CHECK_EQ(trace.step(), "0:1 1:1");
  // Request 1 reaches 64 tokens and wants a page that is not there: it is the youngest itself.
  CHECK_EQ(trace.step(), "0:1");
  CHECK_EQ(trace.scheduler.n_waiting(), 1);
  for (int i = 0; i < 10; ++i) CHECK_EQ(trace.step(), "0:1");
  trace.scheduler.remove(first);
  CHECK_EQ(trace.step(), "1:65");  // everything again, with what it had generated
  CHECK_EQ(trace.step(), "1:1");
}

TEST(an_older_sequence_takes_the_pages_of_the_youngest) {
  Trace trace(3, 200, 4);
  trace.add(62);
  Sequence* second = trace.add(100);  // 2 pages
  CHECK_EQ(trace.step(), "0:62 1:100");
  CHECK_EQ(trace.step(), "0:1 1:1");
  CHECK_EQ(trace.step(), "0:1 1:1");
  CHECK_EQ(trace.step(), "0:1");  // position 64
  CHECK_EQ(second->n_computed, int64_t{0});
  CHECK_EQ(second->pages.full.size(), size_t{0});
  CHECK_EQ(trace.scheduler.n_preempted(), int64_t{1});
}

TEST(a_sequence_of_full_length_fits_alone) {
  Trace trace(4, 64, 8);
  Sequence* longest = trace.add(250, 256);
  Sequence* other = trace.add(1);
  for (int i = 0; i < 3; ++i) CHECK_EQ(trace.step(), "0:64");
  CHECK_EQ(trace.step(), "0:58");
  for (int i = 0; i < 5; ++i) CHECK_EQ(trace.step(), "0:1");
  trace.scheduler.remove(longest);
  CHECK_EQ(trace.step(), "1:1");
  trace.scheduler.remove(other);
  CHECK_EQ(trace.cache.n_pages_used(), 0);
  CHECK(trace.scheduler.is_empty());
}

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
      : cache(kShape, {int64_t{64} * n_pages, max_sequences, n_step_tokens}),
        scheduler(cache, {n_step_tokens, max_sequences}),
        n_prompt_tokens(n_step_tokens) {}

  // Request `index` (0, 1, ...) with a prompt of n tokens.
  Sequence* add(int64_t n_prompt, int64_t n_most = 1 << 20, const std::string& client = "",
                int priority = 0) {
    Request request{.client = client, .priority = priority, .reuse_prefix = false};
    request.prompt.resize(static_cast<size_t>(n_prompt));
    return add(request, n_most);
  }

  Sequence* add(const Request& request, int64_t n_most = 1 << 20) {
    auto sequence = std::make_unique<Sequence>();
    sequence->request = request;
    sequence->tokens = request.prompt;
    sequence->n_most = n_most;
    sequence->resume_at.reserve(8);
    sequence->resume_at.push_back(sequence->n_prompt());
    Sequence* added = sequence.get();
    all_.push_back(added);
    scheduler.add(std::move(sequence));
    return added;
  }

  // Schedules a step and "computes" it; "0:5 2:1" = five tokens of request 0, one of request 2.
  std::string step() {
    std::string text;
    const auto shares = scheduler.schedule(n_prompt_tokens);
    std::vector<SequenceShare> copy(shares.begin(), shares.end());
    for (const auto& [sequence, n_tokens, n_drafted] : copy) {
      // From the back: a new one may stand where one has been removed.
      const auto index = all_.rend() - std::find(all_.rbegin(), all_.rend(), sequence) - 1;
      text += (text.empty() ? "" : " ") + std::to_string(index) + ":" + std::to_string(n_tokens);
      if (n_drafted > 0) text += "+" + std::to_string(n_drafted);
      sequence->n_computed += n_tokens;
      if (sequence->request.reuse_prefix)
        cache.keep(sequence->pages, sequence->computed(), sequence->resume_at);
      cache.free_behind_window(sequence->pages, sequence->n_computed);
      if (sequence->n_to_compute() == 0) sequence->tokens.push_back(0);
    }
    scheduler.check_integrity();
    return text;
  }

  kv::KvCache cache;
  Scheduler scheduler;
  int n_prompt_tokens;  // beside sequences that generate

 private:
  std::vector<Sequence*> all_;
};

}  // namespace

TEST(prompts_are_cut_into_steps_and_decoding_goes_first) {
  Trace trace(100, 10, 4);
  trace.add(25);
  CHECK_EQ(trace.step(), "0:10");
  CHECK_EQ(trace.step(), "0:10");
  CHECK_EQ(trace.step(), "0:5");
  trace.add(20);
  CHECK_EQ(trace.step(), "0:1 1:9");
  CHECK_EQ(trace.step(), "0:1 1:9");
  CHECK_EQ(trace.step(), "0:1 1:2");
  CHECK_EQ(trace.step(), "0:1 1:1");
}

TEST(prompts_take_no_more_beside_streams_than_they_may) {
  Trace trace(100, 64, 4);
  trace.n_prompt_tokens = 8;
  trace.add(20);
  CHECK_EQ(trace.step(), "0:20");  // there is no stream yet
  trace.add(20);
  CHECK_EQ(trace.step(), "0:1 1:8");
}

TEST(a_short_prompt_passes_a_long_one_and_half_remains_for_that) {
  Trace trace(100, 10, 4);
  trace.add(100);
  CHECK_EQ(trace.step(), "0:10");
  trace.add(3);
  CHECK_EQ(trace.step(), "0:7 1:3");
  trace.add(50);
  trace.add(40);
  CHECK_EQ(trace.step(), "1:1 0:5 3:4");  // the shortest takes what the first in line leaves
  CHECK_EQ(trace.step(), "1:1 0:5 3:4");
}

TEST(clients_take_turns) {
  Trace trace(100, 10, 1);
  Sequence* first = trace.add(10, 11, "a");
  trace.add(10, 11, "a");
  trace.add(10, 11, "b");
  CHECK_EQ(trace.step(), "0:10");
  trace.scheduler.remove(first);
  CHECK_EQ(trace.step(), "2:10");  // b has had nothing yet
}

TEST(a_higher_priority_displaces_a_lower_one) {
  Trace trace(100, 10, 1);
  Sequence* low = trace.add(20, 30, "", 0);
  CHECK_EQ(trace.step(), "0:10");
  Sequence* high = trace.add(5, 30, "", 1);
  CHECK_EQ(trace.step(), "1:5");
  CHECK_EQ(low->stats.n_preempted, int64_t{1});
  CHECK_EQ(trace.step(), "1:1");
  trace.scheduler.remove(high);
  CHECK_EQ(trace.step(), "0:10");
}

TEST(who_waits_long_comes_before_higher_priorities) {
  Trace trace(100, 10, 1);
  Sequence* running = trace.add(1, 1 << 20, "", 1);
  CHECK_EQ(trace.step(), "0:1");
  trace.add(1, 1 << 20, "", 0);
  for (uint64_t i = 0; i < 2 * Scheduler::kStepsPerRank; ++i) trace.step();
  trace.add(1, 1 << 20, "", 1);
  trace.scheduler.remove(running);
  CHECK_EQ(trace.step(), "1:1");  // its rank is 2 by now
}

TEST(a_prompt_that_others_pass_gets_its_turn) {
  Trace trace(400, 64, 3);
  Sequence* low = trace.add(4000, 1 << 20, "low");
  std::vector<Sequence*> others;
  for (int i = 0; low->n_computed < 4000; ++i) {
    CHECK(i < 8 * static_cast<int>(Scheduler::kStepsPerRank));
    while (others.size() < 2) others.push_back(trace.add(200, 200, "high", 1));
    trace.step();
    std::erase_if(others, [&](Sequence* other) {
      const bool is_done = other->n_computed == 200;
      if (is_done) trace.scheduler.remove(other);
      return is_done;
    });
  }
}

TEST(drafts_leave_room_for_streams_and_prompts) {
  Trace trace(100, 8, 3);
  Sequence* first = trace.add(2);
  trace.add(2);
  CHECK_EQ(trace.step(), "0:2 1:2");
  const auto draft = [&] {
    first->drafted.assign(15, 0);
    first->n_to_check = 15;
  };
  draft();
  CHECK_EQ(trace.step(), "0:1+6 1:1");
  trace.add(10);
  draft();
  CHECK_EQ(trace.step(), "0:1+2 1:1 2:4");
  // Whoever gives way takes no draft along.
  draft();
  while (first->stats.n_preempted == 0) CHECK(trace.scheduler.preempt_last());
  CHECK_EQ(first->n_to_check, 0);
}

TEST(requests_wait_for_who_computes_their_prefix) {
  Trace trace(100, 100, 4);
  Request request{.prompt = std::vector<int32_t>(250)};
  for (size_t i = 0; i < 250; ++i) request.prompt[i] = static_cast<int32_t>(i);
  trace.add(request);
  CHECK_EQ(trace.step(), "0:100");
  Request same = request, parts = request, other = request;
  parts.prompt[201] = 999;
  other.prompt[50] = 999;
  trace.add(same);
  trace.add(parts);
  trace.add(other);  // has too little in common
  CHECK_EQ(trace.step(), "0:50 3:50");
  CHECK_EQ(trace.step(), "0:50 3:50");
  CHECK_EQ(trace.step(), "0:50 3:50");
  CHECK_EQ(trace.step(), "0:1 1:1 2:49 3:49");  // they go on at tokens 249 and 201
  CHECK_EQ(trace.step(), "0:1 1:1 2:1 3:51");
}

TEST(a_prompt_that_comes_back_is_not_computed_again) {
  Trace trace(100, 1000, 4);
  Request request{.prompt = std::vector<int32_t>(700)};
  for (size_t i = 0; i < 700; ++i) request.prompt[i] = static_cast<int32_t>(i);
  Sequence* first = trace.add(request);
  CHECK_EQ(trace.step(), "0:700");
  for (int i = 0; i < 20; ++i) CHECK_EQ(trace.step(), "0:1");
  const std::vector<int32_t> spoken = first->tokens;
  trace.scheduler.remove(first);
  CHECK_EQ(trace.cache.n_pages_used(), 0);
  // The same again; the same with what was answered and a new question; one that parts on the way.
  Sequence* again = trace.add(request);
  CHECK_EQ(trace.step(), "1:1");
  Request next{.prompt = spoken};
  next.prompt.resize(next.prompt.size() + 30, 7);
  Sequence* answer = trace.add(next);
  CHECK_EQ(trace.step(), "1:1 2:31");
  Request parts = request;
  parts.prompt[300] = 999;
  Sequence* other = trace.add(parts);
  CHECK_EQ(trace.step(),
           "1:1 2:1 3:700");  // its sliding layers are known at 1,024 tokens, not here
  for (Sequence* sequence : {again, answer, other}) trace.scheduler.remove(sequence);
  parts.prompt[300] = 998;
  trace.add(parts);
  CHECK_EQ(trace.step(), "4:400");  // but now they are: prompts have parted here before
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

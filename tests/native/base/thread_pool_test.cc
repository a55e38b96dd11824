#include "base/thread_pool.h"

#include <atomic>
#include <vector>

#include "testing.h"

using gptoss::ThreadPool;

TEST(every_item_runs_exactly_once) {
  for (const int n_threads : {1, 2, 3, 8}) {
    ThreadPool pool(n_threads);
    for (const int64_t n : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(n));
      pool.parallel_for(n, [&](int64_t item, int thread) {
        CHECK(thread >= 0 && thread < n_threads);
        calls[static_cast<size_t>(item)].fetch_add(1);
      });
      for (const auto& count : calls) CHECK_EQ(count.load(), 1);
    }
  }
}

// More threads than any machine here has cores, so that some come late to their loop: they must
// find it closed, or work for the one that is open.
TEST(a_late_worker_does_no_item_of_an_earlier_loop) {
  struct Round {
    int64_t number;
    std::vector<std::atomic<int>> calls;
  };
  ThreadPool pool(16);
  std::atomic<int64_t> current{0};
  for (int64_t number = 1; number <= 5000; ++number) {
    Round round{number, std::vector<std::atomic<int>>(static_cast<size_t>(2 + number % 7))};
    current = number;
    pool.parallel_for(std::ssize(round.calls), [&](int64_t item, int) {
      CHECK_EQ(current.load(), round.number);
      round.calls[static_cast<size_t>(item)].fetch_add(1);
    });
    for (const auto& count : round.calls) CHECK_EQ(count.load(), 1);
  }
}

TEST(results_of_a_loop_are_visible_after_it) {
  ThreadPool pool(4);
  std::vector<int> values(64);  // plain ints: a missing barrier is a data race that TSan reports
  for (int round = 1; round <= 2000; ++round) {
    pool.parallel_for(64, [&](int64_t item, int) { values[static_cast<size_t>(item)] += 1; });
    for (const int value : values) CHECK_EQ(value, round);
  }
}

TEST(zero_threads_means_the_cores_of_the_process) { CHECK(ThreadPool(0).size() >= 1); }

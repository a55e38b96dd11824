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

TEST(many_short_loops_in_a_row) {
  ThreadPool pool(4);
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 20000; ++round)
    pool.parallel_for(5, [&](int64_t item, int) { sum.fetch_add(item); });
  CHECK_EQ(sum.load(), 20000 * 10);
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

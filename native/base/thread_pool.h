// A fixed team of threads for the loops inside one step. Not for waiting on anything.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace gptoss {

class ThreadPool {
 public:
  // n_threads counts the calling thread; 0 = one per core this process may use.
  // Throws OutOfMemoryError when the system refuses a thread.
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return n_threads_; }

  // Calls body(item, thread) once for every item in [0, n), from all threads, and returns when all
  // are done. Which thread gets which item varies from run to run, so an item's result must not
  // depend on it. Calls come from one thread at a time; allocates nothing. body must not throw.
  template <typename Body>
  void parallel_for(int64_t n, Body&& body) {
    run(
        n,
        [](void* context, int64_t item, int thread) {
          (*static_cast<std::remove_reference_t<Body>*>(context))(item, thread);
        },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Call = void (*)(void* context, int64_t item, int thread);
  void run(int64_t n, Call call, void* context);
  void work(int thread);
  bool enter();  // whether the current loop still takes workers
  void leave();
  void stop();
  void drain(int thread);

  int n_threads_;
  std::vector<std::thread> workers_;  // n_threads_ - 1 of them

  // The current loop. Written by the caller before the new generation is published.
  Call call_ = nullptr;
  void* context_ = nullptr;  // borrowed for the length of the loop
  int64_t n_items_ = 0;
  std::atomic<int64_t> next_item_{0};
  std::atomic<uint32_t> generation_{0};  // number of loops started, and the word workers sleep on
  // Whether the current loop takes workers, and how many are in it: kOpen + kWorker * how many. A
  // worker that comes late, as on a busy machine, finds it closed, and nobody has waited for it.
  std::atomic<uint32_t> gate_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace gptoss

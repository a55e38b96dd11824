#include "base/thread_pool.h"

#include <algorithm>
#include <string>
#include <system_error>

#include <gptoss/error.h>

#include "base/cores.h"

namespace gptoss {
namespace {

// A short poll bridges the gaps between the operations of one step without a system call.
constexpr int kSpins = 2000;

// See ThreadPool::gate_.
constexpr uint32_t kOpen = 1, kWorker = 2;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits until `value` differs from `old`.
template <typename T>
void wait_for_change(const std::atomic<T>& value, T old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) : n_threads_(n_threads > 0 ? n_threads : usable_cores()) {
  workers_.reserve(static_cast<size_t>(n_threads_ - 1));
  try {
    for (int thread = 1; thread < n_threads_; ++thread)
      workers_.emplace_back([this, thread] { work(thread); });
  } catch (const std::system_error& error) {
    stop();
    throw OutOfMemoryError("cannot start thread " + std::to_string(workers_.size() + 1) + " of " +
                           std::to_string(n_threads_) + " (" + error.what() +
                           "); ask for fewer (n_threads)");
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int64_t n, Call call, void* context) {
  if (n_threads_ == 1 || n <= 1) {
    for (int64_t item = 0; item < n; ++item) call(context, item, 0);
    return;
  }
  call_ = call;
  context_ = context;
  n_items_ = n;
  next_item_.store(0, std::memory_order_relaxed);
  gate_.store(kOpen, std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  drain(0);
  gate_.fetch_sub(kOpen, std::memory_order_acq_rel);
  for (uint32_t busy; (busy = gate_.load(std::memory_order_acquire)) != 0;)
    wait_for_change(gate_, busy);
}

bool ThreadPool::enter() {
  uint32_t gate = gate_.load(std::memory_order_acquire);
  while ((gate & kOpen) != 0)
    if (gate_.compare_exchange_weak(gate, gate + kWorker, std::memory_order_acq_rel)) return true;
  return false;
}

void ThreadPool::leave() {
  if (gate_.fetch_sub(kWorker, std::memory_order_acq_rel) == kWorker) gate_.notify_one();
}

void ThreadPool::drain(int thread) {
  for (int64_t item; (item = next_item_.fetch_add(1, std::memory_order_relaxed)) < n_items_;)
    call_(context_, item, thread);
}

void ThreadPool::work(int thread) {
  uint32_t seen = 0;
  for (;;) {
    wait_for_change(generation_, seen);
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    if (!enter()) continue;
    drain(thread);
    leave();
  }
}

}  // namespace gptoss

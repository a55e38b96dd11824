#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <sys/mman.h>

#include <gptoss/error.h>
#include <gptoss/machine.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "machine/peak.h"

namespace gptoss {
namespace {

constexpr int kMostThreads = 1024;  // as the engine takes

constexpr size_t kReadBytes = size_t{1} << 30;  // several times the largest caches
constexpr size_t kSliceBytes = size_t{1} << 21;
constexpr int kLeastPasses = 3;
constexpr double kReadSeconds = 0.6;  // of all passes, unless the fewest take longer

constexpr double kItemSeconds = 0.002;  // of one loop on one thread
constexpr int kItemsPerThread = 20;     // several, so that a thread that starts late takes fewer
constexpr int kAttempts = 3;

std::atomic<uint64_t> sink;  // what was read goes here, or nothing would be read

void read_slice(const uint64_t* words) {
  constexpr size_t kWords = kSliceBytes / sizeof(uint64_t), kSums = 16;
  uint64_t sums[kSums] = {};
  for (size_t i = 0; i < kWords; i += kSums)
    for (size_t k = 0; k < kSums; ++k) sums[k] += words[i + k];
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  sink.fetch_add(total, std::memory_order_relaxed);
}

// Bytes per second: the best of several passes over a buffer that no cache holds.
double read_rate(ThreadPool& pool) {
  const size_t available = available_memory().value_or(kReadBytes * 4);
  const auto n_slices =
      static_cast<int64_t>(std::max<size_t>(std::min(kReadBytes, available / 4) / kSliceBytes, 16));
  const size_t n_bytes = static_cast<size_t>(n_slices) * kSliceBytes;
  const Buffer buffer(n_bytes, "the measurement of memory bandwidth");
  // Fewer page table walks; where the system has no huge pages, it goes without.
  ::madvise(buffer.data(), n_bytes, MADV_HUGEPAGE);
  const auto slice = [&](int64_t item) {
    return buffer.data() + static_cast<size_t>(item) * kSliceBytes;
  };
  // Untouched pages are all the same page of zeros.
  pool.parallel_for(n_slices, [&](int64_t item, int) { std::memset(slice(item), 1, kSliceBytes); });
  double best = 0;
  const double first = monotonic_seconds();
  for (int pass = 0; pass < kLeastPasses || monotonic_seconds() - first < kReadSeconds; ++pass) {
    const double begin = monotonic_seconds();
    pool.parallel_for(n_slices, [&](int64_t item, int) {
      read_slice(reinterpret_cast<const uint64_t*>(slice(item)));
    });
    best = std::max(best, static_cast<double>(n_bytes) / (monotonic_seconds() - begin));
  }
  return best;
}

double seconds_of(const machine::PeakLoop& loop, uint64_t n_rounds) {
  const double begin = monotonic_seconds();
  loop.run(n_rounds);
  return monotonic_seconds() - begin;
}

// Multiply-adds per second of all threads.
double mac_rate(ThreadPool& pool, const machine::PeakLoop& loop) {
  uint64_t n_rounds = 1024;
  while (seconds_of(loop, n_rounds) < kItemSeconds) n_rounds *= 2;
  const int64_t n_items = int64_t{pool.size()} * kItemsPerThread;
  double best = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double begin = monotonic_seconds();
    pool.parallel_for(n_items, [&](int64_t, int) { seconds_of(loop, n_rounds); });
    const double macs = static_cast<double>(n_items) * static_cast<double>(n_rounds) *
                        static_cast<double>(loop.macs_per_round);
    best = std::max(best, macs / (monotonic_seconds() - begin));
  }
  return best;
}

}  // namespace

MachineLimits measure_machine(int n_threads) {
  if (n_threads < 0 || n_threads > kMostThreads)
    throw RequestError("n_threads is " + std::to_string(n_threads) +
                       "; expected 0 (one per core) to " + std::to_string(kMostThreads));
  ThreadPool pool(n_threads);
  MachineLimits limits{pool.size(), read_rate(pool), {}};
  for (const machine::PeakLoop& loop : machine::supported_peak_loops())
    limits.peaks.push_back({loop.isa, loop.arithmetic, mac_rate(pool, loop)});
  return limits;
}

std::optional<size_t> free_memory() { return available_memory(); }

}  // namespace gptoss

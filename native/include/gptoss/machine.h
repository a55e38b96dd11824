// What this machine can do at most, measured: what a benchmark's percentages are of.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace gptoss {

struct ArithmeticPeak {
  std::string isa;         // "scalar" (what the compiler makes of plain code), "avx2", ...
  std::string arithmetic;  // "float32", "int8" or "bf16"
  double macs_per_second;  // multiply-adds of all threads
};

struct MachineLimits {
  int n_threads;
  double read_bytes_per_second;       // from memory, all threads reading
  std::vector<ArithmeticPeak> peaks;  // of every instruction set this machine has, plainest first
};

// Takes about two seconds, in which all threads are busy. n_threads: 0 = one per core this process
// may use. Throws RequestError for a number that cannot be, OutOfMemoryError when there is no room
// for a buffer that no cache holds.
MachineLimits measure_machine(int n_threads);

// Bytes of memory this process may still take; nullopt where the system does not tell.
std::optional<size_t> free_memory();

}  // namespace gptoss

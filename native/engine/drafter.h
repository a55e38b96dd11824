// Guesses what comes next in a sequence. A guess costs time at worst: it is checked against the
// model and never changes the output.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gptoss::engine {

struct Draft {
  int n_tokens = 0;
  int n_matched = 0;  // what came before agreed with so many tokens before the guess
};

class Drafter {
 public:
  virtual ~Drafter() = default;
  // Writes what may follow `tokens`, the whole sequence so far, to `out`. A sequence only grows.
  // Allocates nothing.
  virtual Draft draft(std::span<const int32_t> tokens, std::span<int32_t> out) = 0;
};

// What came after the longest earlier occurrence of the last tokens, in the sequence itself or in
// the text that the client expects; the latest of equals.
class SuffixDrafter final : public Drafter {
 public:
  static constexpr int kLeastMatch = 3;  // tokens

  // n_most: longest length of the sequence. Takes in `prompt`, with which it begins.
  SuffixDrafter(std::span<const int32_t> prompt, int64_t n_most, std::vector<int32_t> prediction);

  Draft draft(std::span<const int32_t> tokens, std::span<int32_t> out) override;

 private:
  // Positions count through the prediction and then the sequence; position p stands for the tokens
  // before it.
  void take_in(std::span<const int32_t> tokens);
  void link(int64_t position, int32_t a, int32_t b, int32_t c);
  size_t bucket(int32_t a, int32_t b, int32_t c) const;

  std::vector<int32_t> prediction_;
  int64_t n_prompt_;
  int64_t n_taken_ = 0;           // tokens of the sequence that are linked
  std::vector<int32_t> latest_;   // (buckets) position + 1 of the last three tokens; 0 = none
  std::vector<int32_t> earlier_;  // (positions) position + 1 before, of the same bucket
};

}  // namespace gptoss::engine

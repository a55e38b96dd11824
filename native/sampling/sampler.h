// From one row of logits to one token: logprobs, penalties, bias, mask, temperature, truncation,
// draw.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace gptoss::sampling {

struct Params {
  float temperature = 1.0f;  // 0 = greedy
  int32_t top_k = 0;         // keep the k best; 0 = all
  float top_p = 1.0f;        // keep the smallest set of best tokens with at least this probability
  float min_p = 0.0f;        // keep tokens at least this share of the best one's probability
  float repetition_penalty =
      1.0f;  // logits of tokens seen in prompt or output: divided if > 0, else multiplied
  float presence_penalty = 0.0f;   // subtracted once from every token of the output
  float frequency_penalty = 0.0f;  // subtracted once for each occurrence in the output
  uint64_t seed = 0;
  uint32_t completion_index = 0;
  int32_t top_logprobs = -1;  // -1: no logprobs; k: the chosen token's and the k best
};

// One row to sample. Everything is borrowed for the call.
struct Row {
  std::span<const float> logits;  // (n_vocab)
  const Params* params;
  std::span<const std::pair<int32_t, float>> bias;  // added to the logits of these tokens
  std::span<const uint32_t> mask;   // (ceil(n_vocab/32)) bit = token allowed; empty = all
  std::span<const int32_t> prompt;  // (n_prompt) tokens
  std::span<const int32_t> output;  // (n_output) tokens generated so far
  uint64_t position;                // of the token to be chosen; the RNG counter
};

struct Choice {
  int32_t token;  // -1: no token has a finite logit
  float logprob;  // of `token`, before any bias, penalty, mask or temperature; 0 unless asked for
};

// Buffers for one thread that samples; sized once so that sampling allocates nothing.
class Scratch {
 public:
  explicit Scratch(int32_t n_vocab);

 private:
  friend class RowSampler;
  std::vector<float> logits_;   // (n_vocab) the row, adjusted
  std::vector<int32_t> order_;  // (n_vocab) token ids, the best ones sorted first
  std::vector<int32_t> count_;  // (n_vocab) occurrences in the output; all zero between calls
};

// Chooses a token. top_logprobs: room for params.top_logprobs pairs, filled best first (ties: lower
// id). Candidates are walked by descending logit, ties by lower id, and the first whose cumulative
// probability exceeds the uniform draw is taken. NaN logits count as minus infinity.
Choice choose(const Row& row, Scratch& scratch, std::span<std::pair<int32_t, float>> top_logprobs);

}  // namespace gptoss::sampling

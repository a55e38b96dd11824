#include "engine/drafter.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace gptoss::engine {
namespace {

constexpr int kMostTried = 32;     // earlier occurrences
constexpr int kLongestMatch = 24;  // tokens that are compared

// Tokens before `a_end` and before `b_end` that agree.
int n_agreeing(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t most = std::min({a.size(), b.size(), size_t{kLongestMatch}});
  size_t n = 0;
  while (n < most && a[a.size() - 1 - n] == b[b.size() - 1 - n]) ++n;
  return static_cast<int>(n);
}

}  // namespace

SuffixDrafter::SuffixDrafter(std::span<const int32_t> prompt, int64_t n_most,
                             std::vector<int32_t> prediction)
    : prediction_(std::move(prediction)),
      n_prompt_(std::ssize(prompt)),
      latest_(std::bit_ceil(prediction_.size() + static_cast<size_t>(n_most)), 0),
      earlier_(prediction_.size() + static_cast<size_t>(n_most) + 1, 0) {
  for (size_t i = kLeastMatch; i <= prediction_.size(); ++i)
    link(static_cast<int64_t>(i), prediction_[i - 3], prediction_[i - 2], prediction_[i - 1]);
  take_in(prompt);
}

size_t SuffixDrafter::bucket(int32_t a, int32_t b, int32_t c) const {
  uint64_t hash = static_cast<uint32_t>(a);
  hash = hash * 0x9e3779b97f4a7c15u + static_cast<uint32_t>(b);
  hash = hash * 0x9e3779b97f4a7c15u + static_cast<uint32_t>(c);
  hash *= 0x9e3779b97f4a7c15u;
  return static_cast<size_t>(hash >> 32) & (latest_.size() - 1);
}

void SuffixDrafter::link(int64_t position, int32_t a, int32_t b, int32_t c) {
  int32_t& latest = latest_[bucket(a, b, c)];
  earlier_[static_cast<size_t>(position)] = latest;
  latest = static_cast<int32_t>(position) + 1;
}

void SuffixDrafter::take_in(std::span<const int32_t> tokens) {
  const int64_t n = std::ssize(tokens), n_prediction = std::ssize(prediction_);
  for (int64_t end = std::max<int64_t>(n_taken_ + 1, kLeastMatch); end <= n; ++end) {
    const auto i = static_cast<size_t>(end);
    link(n_prediction + end, tokens[i - 3], tokens[i - 2], tokens[i - 1]);
  }
  n_taken_ = n;
}

Draft SuffixDrafter::draft(std::span<const int32_t> tokens, std::span<int32_t> out) {
  // Looked up before they are taken in, so that they do not find themselves.
  const size_t n = tokens.size(), n_prediction = prediction_.size();
  if (n < kLeastMatch) return {};
  if (std::ssize(tokens) > n_taken_ + 1) take_in(tokens.first(n - 1));
  Draft best;
  std::span<const int32_t> continuation;
  if (std::ssize(tokens) == n_prompt_ && !prediction_.empty()) {
    best.n_matched = kLeastMatch;  // the answer may begin as expected
    continuation = prediction_;
  }
  int32_t next = latest_[bucket(tokens[n - 3], tokens[n - 2], tokens[n - 1])];
  for (int tried = 0; next != 0 && tried < kMostTried; ++tried) {
    const auto position = static_cast<size_t>(next - 1);
    next = earlier_[position];
    const bool is_predicted = position <= n_prediction;
    const std::span<const int32_t> text =
        is_predicted ? std::span<const int32_t>(prediction_) : tokens;
    const size_t end = is_predicted ? position : position - n_prediction;
    if (end >= text.size()) continue;  // nothing comes after it, or it is the sequence's own end
    const int n_matched = n_agreeing(text.first(end), tokens);
    if (n_matched < kLeastMatch || n_matched <= best.n_matched) continue;
    best.n_matched = n_matched;
    continuation = text.subspan(end);
  }
  if (std::ssize(tokens) > n_taken_) take_in(tokens);
  best.n_tokens = static_cast<int>(std::min(continuation.size(), out.size()));
  std::copy_n(continuation.begin(), best.n_tokens, out.begin());
  return best;
}

}  // namespace gptoss::engine

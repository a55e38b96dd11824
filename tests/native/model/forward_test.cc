// The forward pass allocates nothing and is the same bits however its tokens are cut into steps.
#include <atomic>
#include <cstdlib>
#include <new>

#include <gptoss/error.h>

#include "kernels/devices.h"
#include "kv/kv_cache.h"
#include "model/model.h"
#include "sampling/sampler.h"
#include "testing.h"
#include "tiny_model.h"

namespace {
std::atomic<int64_t> n_allocations{0};
}

// Every allocation of this program is counted. Not inlined: gcc would pair our free with the
// standard new.
[[gnu::noinline]] void* operator new(size_t n) {
  n_allocations.fetch_add(1);
  if (void* p = std::malloc(n > 0 ? n : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

using namespace gptoss;

namespace {

constexpr int kMostTokens = 64;
constexpr int64_t kContext = 512;

// A model with one sequence in its cache.
class Session {
 public:
  explicit Session(int n_threads)
      : pool_(n_threads),
        ops_(kernels::make_reference_ops(pool_)),
        model_(model::Model::load(testing::tiny_model_path(), *ops_, pool_)) {
    model_->reserve(kMostTokens, kMostTokens, kContext);
    cache_ = std::make_unique<kv::KvCache>(model_->kv_shape(),
                                           kv::KvCache::Size{kContext, 1, kMostTokens});
  }

  void extend(int64_t n_tokens) { CHECK(cache_->extend(table_, n_tokens)); }
  // Logits (tokens, n_vocab) of the next tokens of the sequence; valid until the next call.
  const float* step(std::span<const int32_t> tokens, std::span<const int32_t> rows) {
    const kernels::SequenceRows sequence{.n_rows = static_cast<int>(tokens.size()),
                                         .position_begin = n_computed_,
                                         .pages = table_.full.data(),
                                         .window_pages = table_.window.data()};
    CHECK(model_->forward({tokens, {&sequence, 1}}, cache_->storage(), never_));
    n_computed_ += std::ssize(tokens);
    return model_->logits(rows);
  }
  kernels::Ops& ops() { return *ops_; }

 private:
  const std::function<bool()> never_ = [] { return false; };
  ThreadPool pool_;
  std::unique_ptr<kernels::Ops> ops_;
  std::unique_ptr<model::Model> model_;
  std::unique_ptr<kv::KvCache> cache_;
  kv::PageTable table_;
  int64_t n_computed_ = 0;
};

std::vector<int32_t> some_tokens(int n) {
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i)
    tokens[static_cast<size_t>(i)] = (i * 37 + i / 5) % testing::TinyModel::kVocab;
  return tokens;
}

std::vector<float> all_logits(int n_threads, int n_tokens, int chunk) {
  Session session(n_threads);
  session.extend(n_tokens);
  const auto tokens = some_tokens(n_tokens);
  std::vector<float> all;
  for (int begin = 0; begin < n_tokens; begin += chunk) {
    const int n = std::min(chunk, n_tokens - begin);
    std::vector<int32_t> rows(static_cast<size_t>(n));
    for (int i = 0; i < n; ++i) rows[static_cast<size_t>(i)] = i;
    const float* logits = session.step(
        std::span(tokens).subspan(static_cast<size_t>(begin), static_cast<size_t>(n)), rows);
    all.insert(all.end(), logits, logits + n * testing::TinyModel::kVocab);
  }
  return all;
}

}  // namespace

TEST(logits_are_the_same_bits_for_every_chunking_and_thread_count) {
  const auto expected = all_logits(1, 300, 64);
  for (const float logit : expected) CHECK(std::isfinite(logit));
  for (const int chunk : {1, 7, 64})
    for (const int n_threads : {1, 2, 3}) CHECK(all_logits(n_threads, 300, chunk) == expected);
}

TEST(a_step_allocates_nothing) {
  Session session(2);
  session.extend(200);
  const auto tokens = some_tokens(200);
  const std::vector<int32_t> last{63}, only{0};
  sampling::Params params{
      .top_p = 0.9f, .repetition_penalty = 1.1f, .presence_penalty = 0.1f, .top_logprobs = 5};
  std::vector<std::pair<int32_t, float>> best(5);
  const std::span<std::pair<int32_t, float>> best_span(best);
  sampling::Choice choice;

  const int64_t before = n_allocations.load();
  const float* logits = session.step(std::span(tokens).first(64), last);
  for (size_t i = 64; i < 80; ++i) logits = session.step(std::span(tokens).subspan(i, 1), only);
  const sampling::Row row{.logits = {logits, testing::TinyModel::kVocab},
                          .params = &params,
                          .bias = {},
                          .mask = {},
                          .prompt = tokens,
                          .output = tokens,
                          .position = 80};
  session.ops().choose({{&row, 1}, {&choice, 1}, {&best_span, 1}});
  CHECK_EQ(n_allocations.load() - before, int64_t{0});
  CHECK(choice.token >= 0);
}

// Random requests, cancellations and displacements over a cache that is too small, without a model:
// every token's place in the cache is marked with what stands before it, so that a page that is
// lost, shared too early or written by two shows.
#include <cstring>
#include <map>
#include <random>

#include "engine/scheduler.h"
#include "temp_dir.h"
#include "testing.h"

using namespace gptoss;
using namespace gptoss::engine;

namespace {

constexpr size_t kHeadBytes = kPageTokens * sizeof(uint64_t);
constexpr kv::KvShape kShape{.n_layers = 2, .n_kv_heads = 1, .head_page_bytes = kHeadBytes};

uint64_t mark_after(uint64_t before, int32_t token) {
  return (before ^ static_cast<uint32_t>(token)) * 0x9e3779b97f4a7c15u + 1;
}

class World {
 public:
  // folder: of prefixes on disk; empty = none.
  World(unsigned seed, bool keeps_prefixes, const std::string& folder)
      : random_(seed),
        n_step_tokens_(1 + pick(200)),
        max_sequences_(1 + pick(6)),
        cache_(kShape, {64 * (9 + pick(30)), max_sequences_, n_step_tokens_, keeps_prefixes}),
        scheduler_(cache_, {n_step_tokens_, max_sequences_}) {
    if (!folder.empty()) cache_.keep_on_disk(folder, "fuzz", 3 << 20);
    // Prompts are made of these, so that they have beginnings in common, also with other worlds'.
    std::mt19937 same(1);
    std::swap(same, random_);
    for (auto& piece : pieces_) {
      piece.resize(static_cast<size_t>(1 + pick(150)));
      for (int32_t& token : piece) token = pick(3);
    }
    std::swap(same, random_);
  }

  void run(int n_steps) {
    for (int i = 0; i < n_steps; ++i) {
      if (scheduler_.n_running() + scheduler_.n_waiting() < 20 && pick(3) == 0) add();
      if (pick(20) == 0) cancel_any();
      if (pick(40) == 0) scheduler_.preempt_last();
      if (pick(500) == 0) cache_.forget_prefixes();
      step();
      if (kv::DiskCache* disk = cache_.disk()) {
        if (pick(10) == 0) disk->wait_for_disk(std::chrono::milliseconds(1));
        disk->save();
      }
      if (i % 64 == 0) scheduler_.check_integrity();
    }
    // Everything ends once nothing new comes.
    for (int i = 0; !scheduler_.is_empty(); ++i) {
      CHECK(i < 100000);
      step();
    }
    scheduler_.check_integrity();
    CHECK_EQ(cache_.n_pages_used(), 0);
    cache_.forget_prefixes();
    CHECK_EQ(cache_.n_pages_idle(), 0);
  }

  int64_t n_ended = 0, n_cached = 0, n_accepted = 0;
  uint64_t longest_wait = 0;  // steps

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  void add() {
    auto sequence = std::make_unique<Sequence>();
    Request& request = sequence->request;
    for (int i = 1 + pick(4); i > 0; --i) {
      const auto& piece = pieces_[static_cast<size_t>(pick(6))];
      request.prompt.insert(request.prompt.end(), piece.begin(), piece.end());
    }
    request.prompt.resize(std::min<size_t>(request.prompt.size(), 400));
    request.client = std::string(1, static_cast<char>('a' + pick(3)));
    request.priority = pick(8) == 0 ? 1 : 0;
    request.reuse_prefix = pick(10) != 0;
    sequence->tokens = request.prompt;
    sequence->n_most = sequence->n_prompt() + pick(170);
    sequence->tokens.reserve(1000);
    sequence->drafted.reserve(kMostDrafted);
    sequence->resume_at.reserve(8);
    sequence->resume_at.push_back(sequence->n_prompt());
    scheduler_.add(std::move(sequence));
  }

  void cancel_any() {
    Sequence* chosen = nullptr;
    scheduler_.visit_while([&](Sequence& sequence) {
      if (chosen == nullptr || pick(3) == 0) chosen = &sequence;
      return true;
    });
    if (chosen != nullptr) scheduler_.remove(chosen);
  }

  void step() {
    ++n_steps_;
    for (const auto& sequence : scheduler_.running()) {
      const auto room = sequence->n_most - std::ssize(sequence->tokens) - 1;
      sequence->drafted.assign(
          static_cast<size_t>(std::clamp<int64_t>(room, 0, pick(kMostDrafted))), 1);
      sequence->n_to_check =
          sequence->is_generating() ? static_cast<int>(sequence->drafted.size()) : 0;
    }
    const auto shares = scheduler_.schedule(1 + pick(n_step_tokens_));
    int n_tokens = 0;
    const std::vector<SequenceShare> step(shares.begin(), shares.end());
    for (const SequenceShare& share : step) n_tokens += share.n_tokens + share.n_drafted;
    CHECK(n_tokens <= n_step_tokens_ && std::ssize(step) <= max_sequences_);
    CHECK(scheduler_.is_empty() || n_tokens > 0);
    for (const SequenceShare& share : step) compute(share);
    for (const SequenceShare& share : step) advance(share);
  }

  uint64_t& mark(const Sequence& sequence, int64_t position, bool sliding) {
    const auto page = static_cast<size_t>(position / kPageTokens);
    const auto& pages = sliding ? sequence.pages.window : sequence.pages.full;
    CHECK(pages.at(page) >= 0);
    auto* marks = reinterpret_cast<uint64_t*>(cache_.storage().page(sliding, pages[page]));
    return marks[position % kPageTokens];
  }

  // Checks what the share's tokens see, and writes theirs, drafted ones too.
  void compute(const SequenceShare& share) {
    const Sequence& sequence = *share.sequence;
    const int64_t begin = sequence.n_computed, end = begin + share.n_tokens + share.n_drafted;
    uint64_t before = 0;
    for (int64_t position = 0; position < end; ++position) {
      const auto i = static_cast<size_t>(position);
      const int32_t token = i < sequence.tokens.size()
                                ? sequence.tokens[i]
                                : sequence.drafted[i - sequence.tokens.size()];
      before = mark_after(before, token);
      for (const bool sliding : {false, true}) {
        if (position >= begin)
          mark(sequence, position, sliding) = before;
        else if (!sliding || position > begin - kWindow)
          CHECK_EQ(mark(sequence, position, sliding), before);
      }
    }
  }

  void advance(const SequenceShare& share) {
    Sequence& sequence = *share.sequence;
    sequence.n_computed += share.n_tokens;
    bool ends = false;
    if (sequence.n_to_compute() == 0) {
      const int n_right = share.n_drafted == 0 ? 0 : pick(share.n_drafted + 1);
      for (int k = 0; k < n_right; ++k) sequence.tokens.push_back(1);
      sequence.n_computed += n_right;
      n_accepted += n_right;
      if (std::ssize(sequence.tokens) < sequence.n_most) sequence.tokens.push_back(pick(3));
      ends = std::ssize(sequence.tokens) >= sequence.n_most || pick(60) == 0;
    }
    if (sequence.request.reuse_prefix)
      cache_.keep(sequence.pages, sequence.computed(), sequence.resume_at);
    cache_.free_behind_window(sequence.pages, sequence.n_computed);
    if (!ends) return;
    ++n_ended;
    n_cached += sequence.stats.n_cached;
    longest_wait = std::max(longest_wait, sequence.n_steps_waited);
    scheduler_.remove(&sequence);
  }

  std::mt19937 random_;
  int n_step_tokens_, max_sequences_;
  kv::KvCache cache_;
  Scheduler scheduler_;
  std::array<std::vector<int32_t>, 6> pieces_;
  int64_t n_steps_ = 0;
};

}  // namespace

TEST(no_page_is_lost_or_shared_writable_and_every_request_ends) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr int n_steps = 100000;
#else
  constexpr int n_steps = testing::kThreadSanitizer ? 10000 : 1000000;
#endif
  constexpr int kStepsOfOne = 2000;
  int64_t n_ended = 0, n_cached = 0, n_accepted = 0;
  uint64_t longest_wait = 0;
  const testing::TempDir folder;
  for (int i = 0; i < n_steps / kStepsOfOne; ++i) {
    // Twenty of the worlds have the disk, one after the other.
    World world(static_cast<unsigned>(i), /*keeps_prefixes=*/i % 5 != 4,
                i % (n_steps / kStepsOfOne / 20 + 1) == 0 ? folder.path().string() : "");
    world.run(kStepsOfOne);
    n_ended += world.n_ended;
    n_cached += world.n_cached;
    n_accepted += world.n_accepted;
    longest_wait = std::max(longest_wait, world.longest_wait);
  }
  CHECK(n_ended > n_steps / 40 && n_cached > n_ended && n_accepted > n_ended);
  // Twenty requests of at most 170 tokens and 400 of prompt each, of which at least half a step is
  // for the first in line: nobody waits for longer than all the others take.
  CHECK(longest_wait < 20 * 1000);
}

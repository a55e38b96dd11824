#include "engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace gptoss::engine {
namespace {

constexpr int64_t kWorthWaiting = 16;  // tokens of a prefix that another sequence is computing

bool goes_first(const Sequence* a, const Sequence* b) {
  if (a->rank != b->rank) return a->rank > b->rank;
  if (a->client->n_served != b->client->n_served) return a->client->n_served < b->client->n_served;
  return a->arrival < b->arrival;
}

int64_t n_pages_wanted(const Sequence& sequence) {
  return kv::n_pages_for(std::min<int64_t>(std::ssize(sequence.tokens) + 1, sequence.n_most));
}

// Others will come back to this position of the sequence.
void mark_resume(Sequence& sequence, int64_t position) {
  auto& known = sequence.resume_at;
  if (known.size() < known.capacity() && std::ranges::find(known, position) == known.end())
    known.push_back(position);
}

std::unique_ptr<Sequence> take(std::vector<std::unique_ptr<Sequence>>& from,
                               const Sequence* which) {
  const auto found = std::ranges::find(from, which, &std::unique_ptr<Sequence>::get);
  GPTOSS_CHECK(found != from.end());
  std::unique_ptr<Sequence> taken = std::move(*found);
  from.erase(found);
  return taken;
}

}  // namespace

Scheduler::Scheduler(kv::KvCache& cache, Limits limits) : cache_(cache), limits_(limits) {
  const auto n = static_cast<size_t>(limits.max_sequences);
  step_.reserve(n);
  running_.reserve(n);
  generating_.reserve(n);
  prompts_.reserve(n);
}

void Scheduler::add(std::unique_ptr<Sequence>&& sequence) {
  // What may throw comes before what would have to be undone.
  if (const size_t n_most = waiting_.size() + running_.size() + 1; n_most > waiting_.capacity())
    waiting_.reserve(2 * n_most);  // room for all that may come back
  sequence->client = clients_.enter(sequence->request.client);
  sequence->arrival = n_arrived_++;
  sequence->waiting_since = n_steps_;
  waiting_.push_back(std::move(sequence));
}

std::span<const SequenceShare> Scheduler::schedule(int n_prompt_tokens) {
  ++n_steps_;
  step_.clear();
  budget_ = limits_.n_step_tokens;
  admit_waiting();
  generating_.clear();
  prompts_.clear();
  for (const auto& sequence : running_)
    (sequence->is_generating() ? generating_ : prompts_).push_back(sequence.get());
  // Placing may preempt others, which then do not run any more.
  for (size_t i = 0; i < generating_.size(); ++i) {
    const int n_others = static_cast<int>(generating_.size() - i);
    const int n_kept = prompts_.empty() ? 0 : std::min(n_prompt_tokens, budget_ / 2);
    const int n_spare = std::max(0, budget_ - n_others - n_kept);
    place(*generating_[i], 1, std::min(generating_[i]->n_to_check, n_spare));
  }
  share_out_prompts(generating_.empty() ? budget_ : std::min(budget_, n_prompt_tokens));
  return step_;
}

// --- Who runs

int Scheduler::rank_of(const Sequence& sequence, uint64_t n_steps_waited) {
  return sequence.request.priority + static_cast<int>(n_steps_waited / kStepsPerRank);
}

void Scheduler::admit_waiting() {
  for (const auto& sequence : waiting_)
    sequence->rank =
        rank_of(*sequence, sequence->n_steps_waited + n_steps_ - sequence->waiting_since);
  // Whoever is next in line and has no room keeps the others waiting: they would take it for ever.
  for (Sequence* next = next_waiting(); next != nullptr; next = next_waiting()) {
    if (!(has_room(*next) || displaces_somebody(*next)) || !restore(*next) || !make_room(*next))
      return;
    admit(*next);
  }
}

Sequence* Scheduler::next_waiting() {
  for (;;) {
    Sequence* next = nullptr;
    for (const auto& sequence : waiting_) {
      Sequence*& leader = sequence->leader;
      if (leader != nullptr && leader->n_computed >= sequence->n_from_leader) leader = nullptr;
      if (leader == nullptr && (next == nullptr || goes_first(sequence.get(), next)))
        next = sequence.get();
    }
    if (next == nullptr || !finds_leader(*next)) return next;
  }
}

bool Scheduler::has_room(const Sequence& next) const {
  if (n_running() >= limits_.max_sequences) return false;
  // Pages that running prompts are still to take are spoken for.
  int64_t n_promised = 0;
  for (const auto& sequence : running_)
    n_promised +=
        std::max<int64_t>(0, n_pages_wanted(*sequence) - std::ssize(sequence->pages.full));
  const int64_t n_available = cache_.n_full_pages_available() - n_promised;
  const int64_t n_wanted = n_pages_wanted(next);
  return n_wanted <= n_available || (next.request.reuse_prefix &&
                                     n_wanted - cache_.n_pages_shared(next.tokens) <= n_available);
}

// A newcomer displaces only those whose rank its priority exceeds.
bool Scheduler::displaces_somebody(const Sequence& next) const {
  const Sequence* last = last_in_line();
  return last != nullptr && last->rank < next.request.priority;
}

bool Scheduler::make_room(const Sequence& next) {
  while (!has_room(next)) {
    if (!displaces_somebody(next)) return false;
    preempt_last();
  }
  return true;
}

// Whether a running sequence is computing a prefix of this one, so that it pays to wait for that.
bool Scheduler::finds_leader(Sequence& sequence) {
  if (!sequence.request.reuse_prefix) return false;
  int64_t n_known = -1;
  for (const auto& other : running_) {
    if (!other->request.reuse_prefix || other->n_computed >= other->n_prompt()) continue;
    const int64_t n_common = std::min(
        std::ranges::mismatch(sequence.tokens, other->request.prompt).in1 - sequence.tokens.begin(),
        std::ssize(sequence.tokens) - 1);
    if (n_common < other->n_computed + kWorthWaiting) continue;
    if (n_known < 0) n_known = cache_.n_resumable(sequence.tokens);
    if (n_common < n_known + kWorthWaiting) continue;
    sequence.leader = other.get();
    sequence.n_from_leader = n_known = n_common;
  }
  if (sequence.leader == nullptr) return false;
  mark_resume(*sequence.leader, sequence.n_from_leader);
  return true;
}

// Reads what is on disk of its prompt, a little in every round. True once it is there.
bool Scheduler::restore(Sequence& sequence) {
  constexpr int kPages = 16;  // some 20 ms for the 20b
  if (cache_.disk() == nullptr || !sequence.request.reuse_prefix) return true;
  if (!sequence.is_restored) sequence.is_restored = cache_.disk()->restore(sequence.tokens, kPages);
  return sequence.is_restored;
}

void Scheduler::admit(Sequence& sequence) {
  running_.push_back(take(waiting_, &sequence));
  sequence.n_steps_waited += n_steps_ - sequence.waiting_since;
  if (!sequence.request.reuse_prefix) return;
  const auto prefix = cache_.resume(sequence.pages, sequence.tokens);
  sequence.n_computed = prefix.n_tokens;
  sequence.stats.n_cached =
      std::max(sequence.stats.n_cached, std::min(prefix.n_tokens, sequence.n_prompt()));
  // Where prompts part, others will part too.
  if (prefix.n_matched > prefix.n_tokens) mark_resume(sequence, prefix.n_matched);
}

// --- What they get

void Scheduler::share_out_prompts(int n_tokens) {
  if (prompts_.empty() || n_tokens <= 0) return;
  const auto most = [](const Sequence* sequence, int n) {
    return static_cast<int>(std::min<int64_t>(n, sequence->n_within_step()));
  };
  std::ranges::sort(prompts_, goes_first);
  std::sort(prompts_.begin() + 1, prompts_.end(), [](const Sequence* a, const Sequence* b) {
    const int64_t n_a = a->n_to_compute(), n_b = b->n_to_compute();
    return n_a != n_b ? n_a < n_b : goes_first(a, b);
  });
  // The first keeps half, the others take of the rest in order, and what they leave is the first's.
  const int n_half = most(prompts_.front(), (n_tokens + 1) / 2);
  int n_rest = n_tokens - n_half;
  for (size_t i = 1; i < prompts_.size(); ++i) n_rest -= most(prompts_[i], n_rest);
  int n_left = n_tokens;
  for (size_t i = 0; i < prompts_.size(); ++i) {
    const int n = most(prompts_[i], i == 0 ? n_half + n_rest : n_left);
    place(*prompts_[i], n, 0);
    n_left -= n;
    if (n > 0) continue;
    // Others go first: it waits as those do that have not begun.
    ++prompts_[i]->n_steps_waited;
    prompts_[i]->rank = rank_of(*prompts_[i], prompts_[i]->n_steps_waited);
  }
}

void Scheduler::place(Sequence& sequence, int n_tokens, int n_drafted) {
  if (!is_running(&sequence) || budget_ == 0 || n_tokens == 0) return;
  n_tokens = std::min(n_tokens, budget_);
  if (n_drafted > 0 && !cache_.extend(sequence.pages, sequence.n_computed + n_tokens + n_drafted))
    n_drafted = 0;
  while (!cache_.extend(sequence.pages, sequence.n_computed + n_tokens)) {
    // Alone, a sequence always fits.
    GPTOSS_CHECK(running_.size() > 1);
    const bool is_last = last_in_line() == &sequence;
    preempt_last();
    if (is_last) return;
  }
  step_.push_back({&sequence, n_tokens, n_drafted});
  budget_ -= n_tokens + n_drafted;
  sequence.client->n_served += n_tokens;
}

// --- Who leaves

Sequence* Scheduler::last_in_line() const {
  Sequence* last = nullptr;
  for (const auto& sequence : running_)
    if (last == nullptr || sequence->rank < last->rank ||
        (sequence->rank == last->rank && sequence->arrival > last->arrival))
      last = sequence.get();
  return last;
}

bool Scheduler::is_running(const Sequence* sequence) const {
  return std::ranges::find(running_, sequence, &std::unique_ptr<Sequence>::get) != running_.end();
}

bool Scheduler::preempt_last() {
  Sequence* last = last_in_line();
  if (last == nullptr) return false;
  const auto placed = std::ranges::find(step_, last, &SequenceShare::sequence);
  if (placed != step_.end()) {
    budget_ += placed->n_tokens + placed->n_drafted;
    last->client->n_served -= placed->n_tokens;
    step_.erase(placed);
  }
  retire(*last);
  last->n_computed = 0;
  last->n_to_check = 0;
  last->waiting_since = n_steps_;
  ++last->stats.n_preempted;
  ++n_preempted_;
  waiting_.push_back(take(running_, last));
  return true;
}

// Frees its pages, which others may go on from.
void Scheduler::retire(Sequence& sequence) {
  for (const auto& other : waiting_)
    if (other->leader == &sequence) other->leader = nullptr;
  if (sequence.request.reuse_prefix && sequence.n_computed > 0) {
    const int64_t end[] = {sequence.n_computed};
    cache_.keep(sequence.pages, sequence.computed(), end);
    cache_.save(sequence.pages);
  }
  cache_.release(sequence.pages);
}

void Scheduler::remove(Sequence* sequence) {
  retire(*sequence);
  clients_.leave(sequence->client);
  std::erase_if(running_, [=](const auto& owned) { return owned.get() == sequence; });
  std::erase_if(waiting_, [=](const auto& owned) { return owned.get() == sequence; });
}

bool Scheduler::holds(const Sequence* sequence) const {
  bool found = false;
  visit_while([&](const Sequence& other) { return !(found = &other == sequence); });
  return found;
}

void Scheduler::check_integrity() const {
  std::vector<const kv::PageTable*> tables;
  for (const auto& sequence : running_) tables.push_back(&sequence->pages);
  cache_.check_integrity(tables);
}

}  // namespace gptoss::engine

// The minimal bytes and multiply-adds of each operation.
#include "kernels/work.h"

#include <algorithm>

namespace gptoss::kernels {
namespace {

constexpr uint64_t kFloat = sizeof(float);

uint64_t u64(int64_t value) { return static_cast<uint64_t>(value); }

// A dense linear layer over n rows: weights once, inputs and outputs once.
Work linear_work(const Linear& linear, int n) {
  const Matrix& w = linear.weight;
  const uint64_t bias_bytes = linear.bias != nullptr ? u64(w.rows) * kFloat : 0;
  return {w.row_bytes() * u64(w.rows) + bias_bytes + u64(n) * u64(w.rows + w.cols) * kFloat,
          u64(n) * u64(w.rows) * u64(w.cols)};
}

// n tokens through kExpertsPerToken experts each, of which n_distinct are different.
Work experts_work(const Linear& linear, int n, int n_distinct) {
  const Matrix& w = linear.weight;
  const uint64_t uses = u64(n) * kExpertsPerToken;
  return {u64(n_distinct) * (w.row_bytes() * u64(w.rows) + u64(w.rows) * kFloat) +
              uses * u64(w.rows + w.cols) * kFloat,
          uses * u64(w.rows) * u64(w.cols)};
}

// Positions that the queries of a step see, summed over its tokens, and read at least once, summed
// over its sequences.
struct Seen {
  uint64_t scored = 0;
  uint64_t read = 0;
};

Seen positions_seen(std::span<const SequenceRows> sequences, bool sliding) {
  Seen seen;
  for (const SequenceRows& sequence : sequences) {
    const int64_t end = sequence.position_begin + sequence.n_rows;
    const int64_t first_query_sees =
        sliding ? std::max<int64_t>(0, sequence.position_begin - (kWindow - 1)) : 0;
    seen.read += u64(end - first_query_sees);
    for (int64_t position = sequence.position_begin; position < end; ++position)
      seen.scored += u64(sliding ? std::min<int64_t>(position + 1, kWindow) : position + 1);
  }
  return seen;
}

}  // namespace

Work work_of(const EmbedArgs& args) {
  return {u64(args.n) * (args.embedding.row_bytes() + u64(args.embedding.cols) * kFloat), 0};
}

Work work_of(const NormArgs& args) {
  return {(u64(args.n) * 2 + 1) * u64(args.hidden) * kFloat, u64(args.n) * u64(args.hidden) * 2};
}

Work work_of(const QkvArgs& args, size_t head_page_bytes) {
  Work work = linear_work(args.q, args.n);
  work += linear_work(args.k, args.n);
  work += linear_work(args.v, args.n);
  work.bytes += u64(args.n) * u64(args.kv.n_kv_heads) * head_page_bytes / kPageTokens;
  return work;
}

Work work_of(const AttendArgs& args, size_t head_page_bytes) {
  const Seen seen = positions_seen(args.sequences, args.sliding);
  const uint64_t width = u64(args.n_heads) * kHeadDim;
  return {seen.read * u64(args.kv.n_kv_heads) * head_page_bytes / kPageTokens +
              u64(args.n) * 2 * width * kFloat,
          seen.scored * 2 * width};
}

Work work_of(const ProjectArgs& args) { return linear_work(args.linear, args.n); }

Work work_of(const RouteArgs& args) { return linear_work(args.router, args.n); }

Work work_of(const MoeUpArgs& args, int n_distinct) {
  Work work = experts_work(args.gate, args.n, n_distinct);
  work += experts_work(args.up, args.n, n_distinct);
  return work;
}

Work work_of(const MoeDownArgs& args, int n_distinct) {
  return experts_work(args.down, args.n, n_distinct);
}

Work work_of(const LogitsArgs& args) {
  Work work = linear_work({args.unembedding, nullptr}, args.n_rows);
  work += work_of(NormArgs{.n = args.n_rows, .hidden = args.unembedding.cols});
  return work;
}

Work work_of(const ChooseArgs& args) {
  Work work;
  for (const sampling::Row& row : args.rows) work.bytes += row.logits.size_bytes();
  return work;
}

}  // namespace gptoss::kernels

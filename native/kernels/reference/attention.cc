// Rotary embedding, KV append and attention with sinks.
#include <algorithm>
#include <cmath>

#include "kernels/positions.h"
#include "kernels/reference/dot.h"
#include "kernels/reference/linear.inl.h"
#include "kernels/reference/reference_ops.h"

namespace gptoss::kernels::reference {
namespace {

struct HeadPage {
  float keys[kPageTokens][kHeadDim];
  float values[kPageTokens][kHeadDim];
};

float* cached_key(const KvLayer& kv, const int32_t* pages, int64_t position, int64_t head) {
  return page_of_head<HeadPage>(kv, pages[position / kPageTokens], head)
      .keys[position % kPageTokens];
}
float* cached_value(const KvLayer& kv, const int32_t* pages, int64_t position, int64_t head) {
  return page_of_head<HeadPage>(kv, pages[position / kPageTokens], head)
      .values[position % kPageTokens];
}

}  // namespace

size_t ReferenceOps::head_page_bytes() const { return sizeof(HeadPage); }

void ReferenceOps::qkv_rope_append(const QkvArgs& args) {
  const int64_t q_width = args.q.weight.rows;
  const auto append = [&](auto cached) {
    return [&args, cached](int64_t t, int64_t i, float y) {
      const SequenceRows& sequence = sequence_of_row(args.sequences, t);
      cached(args.kv, pages_of(sequence, args.sliding), position_of_row(sequence, t),
             i / kHeadDim)[i % kHeadDim] = y;
    };
  };
  linear(args.q, args.x, args.n,
         [&](int64_t t, int64_t i, float y) { args.query[t * q_width + i] = y; });
  linear(args.k, args.x, args.n, append(cached_key));
  linear(args.v, args.x, args.n, append(cached_value));

  pool_.parallel_for(args.n, [&](int64_t t, int) {
    const SequenceRows& sequence = sequence_of_row(args.sequences, t);
    const int64_t position = position_of_row(sequence, t);
    rotate(*args.rope, position, args.query + t * q_width, q_width / kHeadDim);
    for (int64_t head = 0; head < args.kv.n_kv_heads; ++head)
      rotate(*args.rope, position,
             cached_key(args.kv, pages_of(sequence, args.sliding), position, head), 1);
  });
}

void ReferenceOps::attend(const AttendArgs& args) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(kHeadDim));
  pool_.parallel_for(static_cast<int64_t>(args.n) * args.n_heads, [&](int64_t item, int thread) {
    const int64_t t = item / args.n_heads, head = item % args.n_heads, kv_head = head / kQueryGroup;
    const SequenceRows& sequence = sequence_of_row(args.sequences, t);
    const int32_t* pages = pages_of(sequence, args.sliding);
    const int64_t last = position_of_row(sequence, t);
    const int64_t first = first_seen(last, args.sliding);
    const float* query = args.query + item * kHeadDim;
    float* scores = scores_.as<float>() + thread * limits_.n_positions;

    float highest = args.sinks[head];
    for (int64_t j = first; j <= last; ++j) {
      scores[j - first] = dot(query, cached_key(args.kv, pages, j, kv_head), kHeadDim) * scale;
      highest = std::max(highest, scores[j - first]);
    }
    // The sink is one more column of the softmax that carries no value.
    float denominator = 0;
    float sum[kHeadDim] = {};
    for (int64_t j = first; j <= last; ++j) {
      const float weight = std::exp(scores[j - first] - highest);
      const float* value = cached_value(args.kv, pages, j, kv_head);
      denominator += weight;
      for (int d = 0; d < kHeadDim; ++d) sum[d] += weight * value[d];
    }
    denominator += std::exp(args.sinks[head] - highest);
    float* attended = args.attended + item * kHeadDim;
    for (int d = 0; d < kHeadDim; ++d) attended[d] = sum[d] / denominator;
  });
}

}  // namespace gptoss::kernels::reference

// Rotary embedding, KV append and attention with sinks.
#include <algorithm>
#include <cmath>

#include "kernels/reference/dot.h"
#include "kernels/reference/linear.inl.h"
#include "kernels/reference/reference_ops.h"

namespace gptoss::kernels::reference {
namespace {

constexpr int kHalf = kHeadDim / 2;

enum class KeyOrValue : int { key = 0, value = 1 };

// The 64 floats of one head of one cached token.
float* cached(const KvLayer& kv, const int32_t* pages, int64_t position, KeyOrValue which,
              int64_t head) {
  std::byte* page = kv.base + static_cast<size_t>(pages[position / kPageTokens]) * kv.page_stride;
  const int64_t index =
      (static_cast<int64_t>(which) * kv.n_kv_heads + head) * kPageTokens + position % kPageTokens;
  return reinterpret_cast<float*>(page) + index * kHeadDim;
}

const int32_t* pages_of(const SequenceRows& sequence, bool sliding) {
  return sliding ? sequence.window_pages : sequence.pages;
}

const SequenceRows& sequence_of_row(std::span<const SequenceRows> sequences, int64_t row) {
  const auto after =
      std::upper_bound(sequences.begin(), sequences.end(), row,
                       [](int64_t r, const SequenceRows& s) { return r < s.row_begin; });
  return *(after - 1);
}

// Rotates the halves of each head by the angle of the position. The angle is a product in float32,
// as in the released implementations: beyond a few thousand positions its rounding is part of the
// model.
void rotate(const Rope& rope, int64_t position, float* heads, int64_t n_heads) {
  for (int i = 0; i < kHalf; ++i) {
    const float angle = static_cast<float>(position) * rope.inverse_frequency[i];
    const float cosine = std::cos(angle) * rope.magnitude;
    const float sine = std::sin(angle) * rope.magnitude;
    for (int64_t head = 0; head < n_heads; ++head) {
      float& first = heads[head * kHeadDim + i];
      float& second = heads[head * kHeadDim + i + kHalf];
      const float a = first, b = second;
      first = a * cosine - b * sine;
      second = b * cosine + a * sine;
    }
  }
}

}  // namespace

void ReferenceOps::qkv_rope_append(const QkvArgs& args) {
  const int64_t q_width = args.q.weight.rows;
  const auto append = [&](KeyOrValue which) {
    return [&args, which](int64_t t, int64_t i, float y) {
      const SequenceRows& sequence = sequence_of_row(args.sequences, t);
      const int64_t position = sequence.position_begin + t - sequence.row_begin;
      cached(args.kv, pages_of(sequence, args.sliding), position, which,
             i / kHeadDim)[i % kHeadDim] = y;
    };
  };
  linear(args.q, args.x, args.n,
         [&](int64_t t, int64_t i, float y) { args.query[t * q_width + i] = y; });
  linear(args.k, args.x, args.n, append(KeyOrValue::key));
  linear(args.v, args.x, args.n, append(KeyOrValue::value));

  pool_.parallel_for(args.n, [&](int64_t t, int) {
    const SequenceRows& sequence = sequence_of_row(args.sequences, t);
    const int64_t position = sequence.position_begin + t - sequence.row_begin;
    rotate(*args.rope, position, args.query + t * q_width, q_width / kHeadDim);
    for (int64_t head = 0; head < args.kv.n_kv_heads; ++head)
      rotate(*args.rope, position,
             cached(args.kv, pages_of(sequence, args.sliding), position, KeyOrValue::key, head), 1);
  });
}

void ReferenceOps::attend(const AttendArgs& args) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(kHeadDim));
  pool_.parallel_for(static_cast<int64_t>(args.n) * args.n_heads, [&](int64_t item, int thread) {
    const int64_t t = item / args.n_heads, head = item % args.n_heads, kv_head = head / kQueryGroup;
    const SequenceRows& sequence = sequence_of_row(args.sequences, t);
    const int32_t* pages = pages_of(sequence, args.sliding);
    const int64_t last = sequence.position_begin + t - sequence.row_begin;
    const int64_t first = args.sliding ? std::max<int64_t>(0, last - (kWindow - 1)) : 0;
    const float* query = args.query + item * kHeadDim;
    float* scores = scores_.as<float>() + thread * limits_.n_positions;

    float highest = args.sinks[head];
    for (int64_t j = first; j <= last; ++j) {
      scores[j - first] =
          dot(query, cached(args.kv, pages, j, KeyOrValue::key, kv_head), kHeadDim) * scale;
      highest = std::max(highest, scores[j - first]);
    }
    // The sink is one more column of the softmax that carries no value.
    float denominator = 0;
    float sum[kHeadDim] = {};
    for (int64_t j = first; j <= last; ++j) {
      const float weight = std::exp(scores[j - first] - highest);
      const float* value = cached(args.kv, pages, j, KeyOrValue::value, kv_head);
      denominator += weight;
      for (int d = 0; d < kHeadDim; ++d) sum[d] += weight * value[d];
    }
    denominator += std::exp(args.sinks[head] - highest);
    float* attended = args.attended + item * kHeadDim;
    for (int d = 0; d < kHeadDim; ++d) attended[d] = sum[d] / denominator;
  });
}

}  // namespace gptoss::kernels::reference

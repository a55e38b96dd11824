// Rotary embedding, KV append and attention with sinks.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/product.inl.h"
#include "kernels/positions.h"

namespace gptoss::kernels::cpu {
namespace {

constexpr int kTileTokens = kQueryRows / kQueryGroup;

int64_t n_tiles(const SequenceRows& sequence) {
  return (sequence.n_rows + kTileTokens - 1) / kTileTokens;
}

}  // namespace

void CpuOps::qkv_rope_append(const QkvArgs& args) {
  const int64_t q_width = args.q.weight.rows, kv_width = args.k.weight.rows;
  float* const keys_values = keys_values_.as<float>();  // (n, 2, kv_width)
  const Inputs inputs =
      prepare(args.x, args.n, args.q.weight.cols, {&args.q.weight, &args.k.weight, &args.v.weight});
  const Linear* const linears[] = {&args.q, &args.k, &args.v};
  product(linears, inputs, args.n,
          [&](size_t which, int64_t row, int64_t first, const float* sums, int64_t n) {
            float* const out =
                which == 0 ? args.query + row * q_width
                           : keys_values + (2 * row + static_cast<int64_t>(which) - 1) * kv_width;
            std::copy_n(sums, n, out + first);
          });

  pool_.parallel_for(args.n, [&](int64_t t, int) {
    const SequenceRows& sequence = sequence_of_row(args.sequences, t);
    const int32_t* pages = pages_of(sequence, args.sliding);
    const int64_t position = position_of_row(sequence, t);
    float* const keys = keys_values + 2 * t * kv_width;
    rotate(*args.rope, position, args.query + t * q_width, q_width / kHeadDim);
    rotate(*args.rope, position, keys, args.kv.n_kv_heads);
    const float* const values = keys + kv_width;
    for (int64_t head = 0; head < args.kv.n_kv_heads; ++head)
      append(keys + head * kHeadDim, values + head * kHeadDim,
             page_of_head<HeadPage>(args.kv, pages[position / kPageTokens], head),
             position % kPageTokens);
  });
}

// key, value: (64).
void CpuOps::append(const float* key, const float* value, HeadPage& page, int64_t token) const {
  int16_t values[kHeadDim];
  page.value_exponents[token] = kernels_.quantize_value(value, values);
  page.key_scales[token] = kernels_.quantize_head(key, page.keys[token]);
  for (int d = 0; d < kHeadDim; ++d) page.values[token / 2][d][token % 2] = values[d];
}

void CpuOps::attend(const AttendArgs& args) {
  int64_t n_items = 0;
  for (const SequenceRows& sequence : args.sequences) n_items += n_tiles(sequence);
  const int64_t n_kv_heads = args.kv.n_kv_heads;
  pool_.parallel_for(n_items * n_kv_heads, [&](int64_t item, int thread) {
    // The last tiles of a prompt see the most: longest first.
    int64_t tile = n_items - 1 - item / n_kv_heads;
    const SequenceRows* sequence = args.sequences.data();
    for (; tile >= n_tiles(*sequence); ++sequence) tile -= n_tiles(*sequence);
    const int64_t first = tile * kTileTokens;
    const auto n_tokens =
        static_cast<int>(std::min<int64_t>(kTileTokens, sequence->n_rows - first));
    attend_tile(args, *sequence, sequence->row_begin + first, n_tokens, item % n_kv_heads, thread);
  });
}

void CpuOps::attend_tile(const AttendArgs& args, const SequenceRows& sequence, int64_t first_row,
                         int n_tokens, int64_t kv_head, int thread) {
  Workspace& space = workspace(thread);
  const int n_rows = n_tokens * kQueryGroup;
  float highest[kQueryRows] = {}, denominator[kQueryRows] = {}, scales[kQueryRows] = {};
  int32_t first[kQueryRows] = {}, end[kQueryRows] = {};
  std::fill_n(end, kQueryRows, kPageTokens);  // also beyond n_rows: all see the same
  std::fill_n(space.values_sum[0], n_rows * kHeadDim, 0.0f);
  // Scores in powers of two: 1/sqrt(64), and how many of them one of e is.
  const float scale = std::numbers::log2e_v<float> / std::sqrt(static_cast<float>(kHeadDim));
  const auto offset_of = [&](int r) {  // of the query's 64 values
    return ((first_row + r / kQueryGroup) * args.n_heads + kv_head * kQueryGroup +
            r % kQueryGroup) *
           kHeadDim;
  };
  for (int r = 0; r < n_rows; ++r) {
    int16_t query[kHeadDim];
    scales[r] = scale * kernels_.quantize_head(args.query + offset_of(r), query);
    for (int d = 0; d < kHeadDim; ++d) space.queries[d / 2][r][d % 2] = query[d];
    // The sink is one more column of the softmax that carries no value.
    // -inf is none: as the lowest number, differences to it are numbers.
    highest[r] =
        std::max(args.sinks[kv_head * kQueryGroup + r % kQueryGroup] * std::numbers::log2e_v<float>,
                 std::numeric_limits<float>::lowest());
    denominator[r] = 1.0f;
  }

  const int64_t begin = position_of_row(sequence, first_row), last = begin + n_tokens - 1;
  AttendPageArgs page{.n_rows = n_rows,
                      .queries = space.queries[0][0],
                      .query_scales = scales,
                      .first = first,
                      .end = end,
                      .highest = highest,
                      .denominator = denominator,
                      .values_sum = space.values_sum[0],
                      .scratch = &space.attend};
  const int32_t* const pages = pages_of(sequence, args.sliding);
  for (int64_t index = first_seen(begin, args.sliding) / kPageTokens; index <= last / kPageTokens;
       ++index) {
    page.page = &page_of_head<HeadPage>(args.kv, pages[index], kv_head);
    for (int r = 0; r < n_rows; ++r) {
      const int64_t position = begin + r / kQueryGroup;
      const auto within = [&](int64_t at) {
        return static_cast<int32_t>(std::clamp<int64_t>(at - index * kPageTokens, 0, kPageTokens));
      };
      first[r] = within(first_seen(position, args.sliding));
      end[r] = within(position + 1);
    }
    kernels_.attend_page(page);
  }
  for (int r = 0; r < n_rows; ++r)
    for (int d = 0; d < kHeadDim; ++d)
      // + 0: whether a page that a row does not see was added to a -0 leaves no trace.
      args.attended[offset_of(r) + d] = space.values_sum[r][d] / denominator[r] + 0.0f;
}

}  // namespace gptoss::kernels::cpu

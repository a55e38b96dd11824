// The work that operations report, against the published facts of the real models.
#include "kernels/work.h"

#include <cmath>

#include "testing.h"

using namespace gptoss::kernels;
using gptoss::quant::TensorType;

namespace {

Matrix matrix(TensorType type, int64_t rows, int64_t cols, int64_t count = 1) {
  return {.type = type, .rows = rows, .cols = cols, .count = count};
}

// One decoded token through every operation that reads weights.
Work token_work(int n_layers, int64_t n_experts, TensorType dense) {
  constexpr int64_t kHidden = 2880;
  static const float kBias = 0;
  const SequenceRows sequence{.n_rows = 1};
  Work total;
  for (int layer = 0; layer < n_layers; ++layer) {
    const Linear q{matrix(dense, 4096, kHidden), &kBias}, kv{matrix(dense, 512, kHidden), &kBias};
    const Linear out{matrix(dense, kHidden, 4096), &kBias};
    const Linear router{matrix(TensorType::f32, n_experts, kHidden), &kBias};
    const Linear expert{matrix(TensorType::mxfp4, kHidden, kHidden, n_experts), &kBias};
    total += work_of(QkvArgs{.q = q, .k = kv, .v = kv, .sequences = {&sequence, 1}, .n = 1}, 16384);
    total += work_of(ProjectArgs{.linear = out, .n = 1});
    total += work_of(RouteArgs{.router = router, .n = 1});
    total += work_of(MoeUpArgs{.gate = expert, .up = expert, .n = 1}, 4);
    total += work_of(MoeDownArgs{.down = expert, .n = 1}, 4);
  }
  return total;
}

bool near(double a, double b, double share) { return std::abs(a - b) <= share * b; }

}  // namespace

TEST(multiply_adds_of_a_token) {
  CHECK(near(static_cast<double>(token_work(24, 32, TensorType::bf16).macs), 3.03e9, 0.003));
  CHECK(near(static_cast<double>(token_work(36, 128, TensorType::bf16).macs), 4.54e9, 0.005));
  CHECK_EQ(
      work_of(LogitsArgs{.unembedding = matrix(TensorType::bf16, 201088, 2880), .n_rows = 1}).macs,
      uint64_t{201088 + 2} * 2880);  // and the norm
}

TEST(bytes_of_a_token) {
  const auto with_head = [](int n_layers, int64_t n_experts, TensorType dense) {
    Work work = token_work(n_layers, n_experts, dense);
    work += work_of(LogitsArgs{.unembedding = matrix(dense, 201088, 2880), .n_rows = 1});
    return static_cast<double>(work.bytes);
  };
  // Published sums of weight bytes; activations and biases add less than half a percent.
  CHECK(near(with_head(24, 32, TensorType::bf16), 3.71e9, 0.006));
  CHECK(near(with_head(24, 32, TensorType::q8_0), 2.57e9, 0.008));
  CHECK(near(with_head(36, 128, TensorType::bf16), 5.00e9, 0.012));
  CHECK(near(with_head(36, 128, TensorType::q8_0), 3.59e9, 0.012));
}

TEST(attention_counts_what_is_seen) {
  const SequenceRows sequences[] = {{.row_begin = 0, .n_rows = 3, .position_begin = 10},
                                    {.row_begin = 3, .n_rows = 1, .position_begin = 999}};
  AttendArgs args{
      .sequences = sequences, .sliding = false, .kv = {.n_kv_heads = 1}, .n_heads = 8, .n = 4};
  CHECK_EQ(work_of(args, 16384).macs, uint64_t{(11 + 12 + 13 + 1000) * 2 * 8 * 64});
  args.sliding = true;
  CHECK_EQ(work_of(args, 16384).macs, uint64_t{(11 + 12 + 13 + 128) * 2 * 8 * 64});
  CHECK_EQ(work_of(args, 16384).bytes, uint64_t{(13 + 128) * 2 * 64 * 2 + 4 * 2 * 8 * 64 * 4});
}

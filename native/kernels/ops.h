// The operation table: what a device must be able to do to run gpt-oss. One class per device
// implements it.
//
// Conventions: n = tokens of the step, in batch rows 0..n-1. Row-major; the last dimension is
// contiguous. float is IEEE binary32. Every pointer is borrowed for the call unless it says
// otherwise. For a token, the result of an operation depends only on that token's row, its
// sequence's KV and the weights: never on n, on its row number or on its neighbours (batch
// invariance).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/family.h"
#include "base/thread_pool.h"
#include "quant/tensor_type.h"
#include "sampling/sampler.h"

namespace gptoss::kernels {

// A weight matrix, or `count` of them (experts). Rows are quantised along cols. Strides, because
// some files keep two matrices in one tensor, one under the other or with their rows interleaved.
struct Matrix {
  quant::TensorType type{};
  int64_t rows = 0;                 // outputs
  int64_t cols = 0;                 // inputs, a multiple of kBlock
  int64_t count = 1;                // experts; 1 for a dense matrix
  const std::byte* data = nullptr;  // row 0 of matrix 0
  size_t row_stride = 0;            // bytes from one row to the next
  size_t matrix_stride = 0;         // bytes from one expert to the next

  size_t row_bytes() const { return quant::row_bytes(type, static_cast<size_t>(cols)); }
  const std::byte* row(int64_t which, int64_t index) const {
    return data + static_cast<size_t>(which) * matrix_stride +
           static_cast<size_t>(index) * row_stride;
  }
};

// A linear layer: y = W x + bias.
struct Linear {
  Matrix weight;
  const float* bias = nullptr;  // (count, rows); nullptr = none
};

// Rotary embedding with YaRN: angle of dimension pair (i, i+32) at position p is p *
// inverse_frequency[i].
struct Rope {
  float inverse_frequency[kHeadDim / 2] = {};
  float magnitude = 1;  // cos and sin are multiplied by this
};

// The KV cache of one layer. K and V of KV head h in page p stand at base + p * page_stride + h *
// Ops::head_page_bytes(), as the device lays them out.
struct KvLayer {
  std::byte* base = nullptr;  // of this layer in page 0
  size_t page_stride = 0;     // bytes
  int n_kv_heads = 0;
};

// The rows of one sequence in a step: consecutive tokens, at consecutive positions.
struct SequenceRows {
  int row_begin = 0;  // first batch row
  int n_rows = 0;
  int64_t position_begin = 0;      // of row_begin; positions before it are in the KV cache
  const int32_t* pages = nullptr;  // (ceil(end/64)) page ids of full layers by position / 64
  const int32_t* window_pages =
      nullptr;  // likewise of sliding layers; -1 where freed behind the window
};

// x[row] = embedding[tokens[row]]
struct EmbedArgs {
  Matrix embedding{};               // (n_vocab, hidden)
  const int32_t* tokens = nullptr;  // (n)
  float* x = nullptr;               // (n, hidden)
  int n = 0;
};

// y = x / sqrt(mean(x^2) + epsilon) * weight
struct NormArgs {
  const float* x = nullptr;       // (n, hidden)
  const float* weight = nullptr;  // (hidden)
  float* y = nullptr;             // (n, hidden)
  int n = 0;
  int64_t hidden = 0;
  float epsilon = 0;
};

// q, k, v = linear(x); rotates q and k; appends k and v to the KV cache of the layer.
struct QkvArgs {
  const float* x = nullptr;  // (n, hidden)
  Linear q{}, k{}, v{};      // (n_heads * 64, hidden), (n_kv_heads * 64, hidden) twice
  const Rope* rope = nullptr;
  std::span<const SequenceRows> sequences{};
  bool sliding = false;  // which page table of a sequence applies
  KvLayer kv{};
  float* query = nullptr;  // (n, n_heads, 64), rotated
  int n = 0;
};

// Softmax attention of every query head over the positions it sees, with one learned sink per head
// in the denominator.
struct AttendArgs {
  const float* query = nullptr;  // (n, n_heads, 64)
  const float* sinks = nullptr;  // (n_heads)
  std::span<const SequenceRows> sequences{};
  bool sliding = false;  // see only the last kWindow positions
  KvLayer kv{};
  float* attended = nullptr;  // (n, n_heads, 64)
  int n_heads = 0;
  int n = 0;
};

// residual += linear(x)
struct ProjectArgs {
  const float* x = nullptr;   // (n, cols)
  Linear linear{};            // (hidden, cols)
  float* residual = nullptr;  // (n, hidden)
  int n = 0;
};

// The kExpertsPerToken experts with the highest router logits, best first (ties: lower id), and the
// softmax over them.
struct RouteArgs {
  const float* x = nullptr;         // (n, hidden)
  Linear router{};                  // (n_experts, hidden)
  int32_t* experts = nullptr;       // (n, 4)
  float* expert_weights = nullptr;  // (n, 4)
  int n = 0;
};

// activated = (up + 1) * gate * sigmoid(1.702 gate) for each chosen expert, where gate and up are
// linear(x), gate clamped from above to 7 and up to [-7, 7].
struct MoeUpArgs {
  const float* x = nullptr;          // (n, hidden)
  const int32_t* experts = nullptr;  // (n, 4)
  Linear gate{}, up{};               // n_experts x (ff, hidden)
  float* activated = nullptr;        // (n, 4, ff)
  int n = 0;
};

// residual += sum over the chosen experts, in router order, of expert_weight * down(activated)
struct MoeDownArgs {
  const float* activated = nullptr;       // (n, 4, ff)
  const int32_t* experts = nullptr;       // (n, 4)
  const float* expert_weights = nullptr;  // (n, 4)
  Linear down{};                          // n_experts x (hidden, ff)
  float* expert_out = nullptr;            // (n, 4, hidden) scratch
  float* residual = nullptr;              // (n, hidden)
  int n = 0;
};

// logits[i] = unembedding(rms_norm(x[rows[i]]))
struct LogitsArgs {
  const float* x = nullptr;            // (n, hidden) residual stream after the last layer
  const int32_t* rows = nullptr;       // (n_rows) batch rows whose logits are wanted
  const float* norm_weight = nullptr;  // (hidden)
  float epsilon = 0;
  Matrix unembedding{};     // (n_vocab, hidden)
  float* normed = nullptr;  // (n_rows, hidden) scratch
  float* logits = nullptr;  // (n_rows, n_vocab)
  int n_rows = 0;
};

// One sampled token per row.
struct ChooseArgs {
  std::span<const sampling::Row> rows;  // logits as left by logits()
  std::span<sampling::Choice> choices;  // (rows)
  std::span<const std::span<std::pair<int32_t, float>>>
      top_logprobs;  // (rows) room for each row's best tokens
};

// The largest sizes a device will see; it sizes its own scratch by them, once.
struct Limits {
  int n_tokens = 0;         // of one step
  int n_logits_rows = 0;    // of one call of logits
  int64_t n_positions = 0;  // of one sequence
  int64_t widest_row = 0;   // cols of the widest matrix
  int n_experts = 0;
  int32_t n_vocab = 0;
};

// What a weight matrix is for.
enum class Use {
  product,  // multiplied with
  lookup,   // single rows are read
};

// The weights that are to come.
struct WeightsPlan {
  size_t n_bytes = 0;              // about, of those to be multiplied with
  std::vector<std::string> files;  // that they are read from
  uint64_t fingerprint = 0;        // of their contents
};

class Ops {
 public:
  virtual ~Ops() = default;

  virtual const char* name() const = 0;  // as in LLM(device=...)
  virtual const char* isa() const = 0;   // of its inner loops: "scalar", "avx2", ...
  // Of its matrix products: "float32", "int8" or "bf16".
  virtual const char* arithmetic() const = 0;
  virtual size_t head_page_bytes() const = 0;  // of K and V of one KV head in a page
  // Bytes of scratch that reserve(limits) takes.
  virtual size_t scratch_bytes(const Limits& limits) const = 0;
  // Sizes the device's scratch. Called once, before any operation.
  virtual void reserve(const Limits& limits) = 0;
  // Comes before the first adopt. Throws OutOfMemoryError when this device copies weights and there
  // is no room.
  virtual void expect_weights(const WeightsPlan& plan) = 0;
  // The next matrix as the device kept it at an earlier start; nothing if it has to be adopted.
  // shape: a matrix as it would be adopted, without data. The matrices come in the same order at
  // every start.
  virtual std::optional<Matrix> restore(const Matrix& shape, Use use) = 0;
  // The matrix in the layout this device computes with, its strides included; may be the argument
  // itself, which then must stay alive.
  virtual Matrix adopt(const Matrix& host, Use use) = 0;
  // Comes after the last matrix. False: what was kept is lost, and all matrices have to be adopted
  // again.
  virtual bool finish_weights() = 0;
  // Bytes of weights in pages that the system may take back, and which then have to be read again.
  virtual size_t mapped_bytes() const = 0;
  // The file where the device keeps weights for the next start; empty if there is none.
  virtual std::string weights_file() const = 0;

  virtual void embed(const EmbedArgs& args) = 0;
  virtual void norm(const NormArgs& args) = 0;
  virtual void qkv_rope_append(const QkvArgs& args) = 0;
  virtual void attend(const AttendArgs& args) = 0;
  virtual void project_residual(const ProjectArgs& args) = 0;
  virtual void route(const RouteArgs& args) = 0;
  virtual void moe_up_swiglu(const MoeUpArgs& args) = 0;
  virtual void moe_down_combine(const MoeDownArgs& args) = 0;
  virtual void logits(const LogitsArgs& args) = 0;
  virtual void choose(const ChooseArgs& args) = 0;
};

}  // namespace gptoss::kernels

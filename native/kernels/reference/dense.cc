// Embedding, norms and dense linear layers.
#include <cmath>

#include "kernels/devices.h"
#include "kernels/reference/dot.h"
#include "kernels/reference/linear.inl.h"
#include "kernels/reference/reference_ops.h"
#include "quant/codec.h"

namespace gptoss::kernels {

std::unique_ptr<Ops> make_reference_ops(ThreadPool& pool) {
  return std::make_unique<reference::ReferenceOps>(pool);
}

namespace reference {
namespace {

void rms_norm_row(const float* x, const float* weight, float* y, int64_t hidden, float epsilon) {
  const float mean_square = dot(x, x, hidden) / static_cast<float>(hidden);
  const float scale = 1.0f / std::sqrt(mean_square + epsilon);
  for (int64_t i = 0; i < hidden; ++i) y[i] = x[i] * scale * weight[i];
}

}  // namespace

size_t ReferenceOps::scratch_bytes(const Limits& limits) const {
  const auto per_thread = 2 * limits.widest_row + limits.n_positions + 3 * int64_t{limits.n_vocab};
  return static_cast<size_t>(pool_.size() * per_thread + limits.n_tokens * kExpertsPerToken) *
         sizeof(float);
}

void ReferenceOps::reserve(const Limits& limits) {
  limits_ = limits;
  const auto n_threads = static_cast<size_t>(pool_.size());
  decoded_ = Buffer(n_threads * 2 * static_cast<size_t>(limits.widest_row) * sizeof(float),
                    "decoded weight rows");
  scores_ = Buffer(n_threads * static_cast<size_t>(limits.n_positions) * sizeof(float),
                   "attention scores");
  expert_groups_.reserve(limits.n_tokens, limits.n_experts);
  sampler_scratch_.assign(n_threads, sampling::Scratch(limits.n_vocab));
}

const float* ReferenceOps::decoded_row(const Matrix& matrix, int64_t which, int64_t row, int thread,
                                       int slot) {
  float* scratch = decoded_.as<float>() + (thread * 2 + slot) * limits_.widest_row;
  quant::dequantize_row(matrix.type, matrix.row(which, row), scratch,
                        static_cast<size_t>(matrix.cols));
  return scratch;
}

void ReferenceOps::embed(const EmbedArgs& args) {
  const Matrix& embedding = args.embedding;
  pool_.parallel_for(args.n, [&](int64_t t, int) {
    quant::dequantize_row(embedding.type, embedding.row(0, args.tokens[t]),
                          args.x + t * embedding.cols, static_cast<size_t>(embedding.cols));
  });
}

void ReferenceOps::norm(const NormArgs& args) {
  pool_.parallel_for(args.n, [&](int64_t t, int) {
    rms_norm_row(args.x + t * args.hidden, args.weight, args.y + t * args.hidden, args.hidden,
                 args.epsilon);
  });
}

void ReferenceOps::project_residual(const ProjectArgs& args) {
  const int64_t hidden = args.linear.weight.rows;
  linear(args.linear, args.x, args.n,
         [&](int64_t t, int64_t i, float y) { args.residual[t * hidden + i] += y; });
}

void ReferenceOps::logits(const LogitsArgs& args) {
  const int64_t hidden = args.unembedding.cols;
  pool_.parallel_for(args.n_rows, [&](int64_t i, int) {
    rms_norm_row(args.x + args.rows[i] * hidden, args.norm_weight, args.normed + i * hidden, hidden,
                 args.epsilon);
  });
  const int64_t n_vocab = args.unembedding.rows;
  linear({args.unembedding, nullptr}, args.normed, args.n_rows,
         [&](int64_t row, int64_t token, float y) { args.logits[row * n_vocab + token] = y; });
}

void ReferenceOps::choose(const ChooseArgs& args) {
  pool_.parallel_for(static_cast<int64_t>(args.rows.size()), [&](int64_t row, int thread) {
    const auto i = static_cast<size_t>(row);
    args.choices[i] = sampling::choose(args.rows[i], sampler_scratch_[static_cast<size_t>(thread)],
                                       args.top_logprobs[i]);
  });
}

}  // namespace reference
}  // namespace gptoss::kernels

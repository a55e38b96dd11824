// Weights, scratch, embedding, norms and dense products.
#include <algorithm>
#include <string>
#include <string_view>

#include <gptoss/error.h>

#include "base/check.h"
#include "base/memory.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/pack.h"
#include "kernels/cpu/product.inl.h"
#include "kernels/devices.h"
#include "quant/codec.h"

namespace gptoss::kernels {

using quant::TensorType;

std::unique_ptr<Ops> make_cpu_ops(ThreadPool& pool, std::string_view compute,
                                  const std::string& keep_in) {
  return std::make_unique<cpu::CpuOps>(pool, cpu::wanted_kernels(compute), keep_in);
}

namespace cpu {
namespace {

// Rows of input of the largest product: all experts of a step's tokens, or rows of logits.
int64_t most_input_rows(const Limits& limits) {
  return std::max<int64_t>(int64_t{limits.n_tokens} * kExpertsPerToken, limits.n_logits_rows);
}

// The matrix once it is packed, without data.
Matrix packed_shape(const Matrix& host) {
  Matrix packed = host;
  packed.type = packed_type(host.type);
  packed.row_stride = panel_bytes(packed.type, host.cols / kBlock);
  packed.matrix_stride = packed.row_stride * static_cast<size_t>(panels_of(host.rows));
  packed.data = nullptr;
  return packed;
}

size_t packed_bytes(const Matrix& packed) {
  return packed.matrix_stride * static_cast<size_t>(packed.count);
}

int64_t widest_blocks(const Limits& limits) { return (limits.widest_row + kBlock - 1) / kBlock; }

struct ScratchBytes {
  size_t workspaces, tiles, keys_values, router_logits;
};

ScratchBytes sizes_of(const Limits& limits, size_t n_threads, size_t workspace_bytes,
                      size_t tile_bytes) {
  const auto n_tokens = static_cast<size_t>(limits.n_tokens);
  return {n_threads * workspace_bytes,
          static_cast<size_t>((tiles_of(most_input_rows(limits)) + limits.n_experts) *
                              widest_blocks(limits)) *
              tile_bytes,
          n_tokens * static_cast<size_t>(limits.widest_row) * sizeof(float),
          n_tokens * static_cast<size_t>(limits.n_experts) * sizeof(float)};
}

}  // namespace

size_t CpuOps::scratch_bytes(const Limits& limits) const {
  const auto n_threads = static_cast<size_t>(pool_.size());
  const ScratchBytes bytes = sizes_of(limits, n_threads, sizeof(Workspace), kernels_.tile_bytes);
  return bytes.workspaces + bytes.tiles + bytes.keys_values + bytes.router_logits +
         n_threads * 3 * static_cast<size_t>(limits.n_vocab) * sizeof(float);
}

void CpuOps::reserve(const Limits& limits) {
  limits_ = limits;
  const auto n_threads = static_cast<size_t>(pool_.size());
  const ScratchBytes bytes = sizes_of(limits, n_threads, sizeof(Workspace), kernels_.tile_bytes);
  workspaces_ = Buffer(bytes.workspaces, "the threads' workspaces");
  tiles_ = Buffer(bytes.tiles, "inputs of products");
  keys_values_ = Buffer(bytes.keys_values, "keys and values of a step");
  router_logits_ = Buffer(bytes.router_logits, "router logits");
  expert_groups_.reserve(limits.n_tokens, limits.n_experts);
  sampler_scratch_.assign(n_threads, sampling::Scratch(limits.n_vocab));
}

void CpuOps::expect_weights(const WeightsPlan& plan) {
  if (const auto available = available_memory(); available && plan.n_bytes > *available)
    throw OutOfMemoryError("the weights take " + std::to_string(plan.n_bytes >> 20) + " MiB, and " +
                           std::to_string(*available >> 20) +
                           " MiB are free; close other programs or take a smaller model");
  store_ = PackedStore(keep_in_, plan);
}

std::optional<Matrix> CpuOps::restore(const Matrix& shape, Use use) {
  if (use == Use::lookup) return std::nullopt;
  Matrix packed = packed_shape(shape);
  packed.data = store_.next(packed, packed_bytes(packed));
  return packed.data == nullptr ? std::nullopt : std::optional(packed);
}

Matrix CpuOps::adopt(const Matrix& host, Use use) {
  if (use == Use::lookup) return host;
  Matrix packed = packed_shape(host);
  Buffer buffer(packed_bytes(packed), "the weights");
  buffer.prefer_huge_pages();
  const int64_t n_panels = panels_of(host.rows);
  pool_.parallel_for(n_panels * host.count, [&](int64_t item, int) {
    pack_panel(host, item / n_panels, item % n_panels,
               buffer.data() + static_cast<size_t>(item) * packed.row_stride);
  });
  packed.data = store_.keep(packed, buffer, pool_);
  if (packed.data == nullptr) packed.data = packed_.emplace_back(std::move(buffer)).data();
  return packed;
}

CpuOps::Workspace& CpuOps::workspace(int thread) const {
  return workspaces_.as<Workspace>()[thread];
}

bool CpuOps::takes_tiles(std::initializer_list<const Matrix*> matrices) const {
  return std::any_of(matrices.begin(), matrices.end(), [&](const Matrix* matrix) {
    return matrix->type == TensorType::mxfp4 || matrix->type == TensorType::q8_0 ||
           (matrix->type == TensorType::bf16 && kernels_.bf16_takes_tiles);
  });
}

std::byte* CpuOps::tile(int64_t index, int64_t n_blocks) const {
  return tiles_.data() + static_cast<size_t>(index * n_blocks) * kernels_.tile_bytes;
}

CpuOps::Inputs CpuOps::prepare(const float* x, int64_t rows, int64_t cols,
                               std::initializer_list<const Matrix*> users) {
  GPTOSS_CHECK(rows <= most_input_rows(limits_) && cols <= limits_.widest_row);
  if (!takes_tiles(users)) return {x, nullptr, cols};
  // A tile is an item of several parts, as a step of decode has but one tile.
  const int64_t n_blocks = cols / kBlock, n_parts = (n_blocks + kSpanBlocks - 1) / kSpanBlocks;
  pool_.parallel_for(tiles_of(rows) * n_parts, [&](int64_t item, int) {
    const int64_t index = item / n_parts, block = item % n_parts * kSpanBlocks;
    const int64_t first = index * kInputRows, n = std::min<int64_t>(kInputRows, rows - first);
    std::byte* const to = tile(index, n_blocks) + static_cast<size_t>(block) * kernels_.tile_bytes;
    for (int64_t r = 0; r < n; ++r)
      kernels_.quantize(x + (first + r) * cols + block * kBlock,
                        std::min<int64_t>(kSpanBlocks, n_blocks - block), to, static_cast<int>(r));
  });
  return {x, tiles_.data(), cols};
}

void CpuOps::run_product(TensorType type, const ProductArgs& args) const {
  switch (type) {
    case TensorType::mxfp4:
      return kernels_.product_mxfp4(args);
    case TensorType::q8_0:
      return kernels_.product_q8_0(args);
    case TensorType::f16:
      return kernels_.product_f16(args);
    case TensorType::bf16:
      return kernels_.product_bf16(args);
    default:
      return kernels_.product_f32(args);
  }
}

void CpuOps::embed(const EmbedArgs& args) {
  const Matrix& embedding = args.embedding;
  pool_.parallel_for(args.n, [&](int64_t t, int) {
    quant::dequantize_row(embedding.type, embedding.row(0, args.tokens[t]),
                          args.x + t * embedding.cols, static_cast<size_t>(embedding.cols));
  });
}

void CpuOps::norm(const NormArgs& args) {
  pool_.parallel_for(args.n, [&](int64_t t, int) {
    kernels_.rms_norm(args.x + t * args.hidden, args.weight, args.y + t * args.hidden, args.hidden,
                      args.epsilon);
  });
}

void CpuOps::project_residual(const ProjectArgs& args) {
  const Matrix& w = args.linear.weight;
  const Inputs inputs = prepare(args.x, args.n, w.cols, {&w});
  const Linear* const linears[] = {&args.linear};
  product(linears, inputs, args.n,
          [&](size_t, int64_t row, int64_t first, const float* sums, int64_t n) {
            float* residual = args.residual + row * w.rows + first;
            for (int64_t i = 0; i < n; ++i) residual[i] += sums[i];
          });
}

void CpuOps::logits(const LogitsArgs& args) {
  const Linear unembedding{args.unembedding, nullptr};
  const int64_t hidden = args.unembedding.cols, n_vocab = args.unembedding.rows;
  pool_.parallel_for(args.n_rows, [&](int64_t i, int) {
    kernels_.rms_norm(args.x + args.rows[i] * hidden, args.norm_weight, args.normed + i * hidden,
                      hidden, args.epsilon);
  });
  const Inputs inputs = prepare(args.normed, args.n_rows, hidden, {&args.unembedding});
  const Linear* const linears[] = {&unembedding};
  product(linears, inputs, args.n_rows,
          [&](size_t, int64_t row, int64_t first, const float* sums, int64_t n) {
            std::copy_n(sums, n, args.logits + row * n_vocab + first);
          });
}

void CpuOps::choose(const ChooseArgs& args) {
  pool_.parallel_for(static_cast<int64_t>(args.rows.size()), [&](int64_t row, int thread) {
    const auto i = static_cast<size_t>(row);
    args.choices[i] = sampling::choose(args.rows[i], sampler_scratch_[static_cast<size_t>(thread)],
                                       args.top_logprobs[i]);
  });
}

}  // namespace cpu
}  // namespace gptoss::kernels

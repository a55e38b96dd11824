// The CPU device: packed weights, inputs of products in int8 (one scale per 32) or bf16; queries, K
// and V in int16 (one scale per 64); float32 for everything else. The inner loops are in the kernel
// table of the machine's instruction set; here is who computes what.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/packed_store.h"
#include "kernels/ops.h"
#include "kernels/routing.h"

namespace gptoss::kernels::cpu {

class CpuOps final : public Ops {
 public:
  // keep_in: the folder for packed weights; empty = they are packed at every start.
  CpuOps(ThreadPool& pool, const KernelTable& kernels, std::string keep_in)
      : pool_(pool), kernels_(kernels), keep_in_(std::move(keep_in)) {}

  const char* name() const override { return "cpu"; }
  const char* isa() const override { return kernels_.isa; }
  const char* arithmetic() const override { return kernels_.arithmetic; }
  size_t head_page_bytes() const override { return sizeof(HeadPage); }
  size_t scratch_bytes(const Limits& limits) const override;
  void reserve(const Limits& limits) override;
  void expect_weights(const WeightsPlan& plan) override;
  std::optional<Matrix> restore(const Matrix& shape, Use use) override;
  // Packs what is multiplied with, on all threads. A packed matrix has panels for rows: row_stride
  // is the size of a panel.
  Matrix adopt(const Matrix& host, Use use) override;
  bool finish_weights() override { return store_.finish(); }
  size_t mapped_bytes() const override { return store_.mapped_bytes(); }
  std::string weights_file() const override { return store_.path(); }

  void embed(const EmbedArgs& args) override;
  void norm(const NormArgs& args) override;
  void qkv_rope_append(const QkvArgs& args) override;
  void attend(const AttendArgs& args) override;
  void project_residual(const ProjectArgs& args) override;
  void route(const RouteArgs& args) override;
  void moe_up_swiglu(const MoeUpArgs& args) override;
  void moe_down_combine(const MoeDownArgs& args) override;
  void logits(const LogitsArgs& args) override;
  void choose(const ChooseArgs& args) override;

 private:
  // Rows of input of a product, in both forms; tiles only where a matrix takes them.
  struct Inputs {
    const float* x = nullptr;  // (rows, cols)
    const std::byte* tiles = nullptr;
    int64_t cols = 0;
  };
  // What a thread writes to while it computes one item.
  struct Workspace {
    float out[kProductRows * kProductWidth];
    const float* rows[kProductRows];
    alignas(kLine) std::byte unpacked[kProductScratch];
    AttendPageScratch attend;
    int16_t queries[kHeadDim / 2][kQueryRows][2];
    float values_sum[kQueryRows][kHeadDim];
  };

  Workspace& workspace(int thread) const;

  bool takes_tiles(std::initializer_list<const Matrix*> matrices) const;  // any of them
  // A tile of the step's inputs, which have n_blocks each.
  std::byte* tile(int64_t index, int64_t n_blocks) const;
  // The inputs of these matrices, rounded if one of them takes tiles: row after row.
  Inputs prepare(const float* x, int64_t rows, int64_t cols,
                 std::initializer_list<const Matrix*> users);
  // The same for experts: each group's rows begin with a tile of their own, number
  // first_tile(group). row_of(use): the row of x.
  template <class RowOf>
  Inputs prepare(const float* x, int64_t cols, std::initializer_list<const Matrix*> users,
                 std::span<const ExpertGroups::Group> groups, RowOf row_of);
  // Sums of two panels (the second may be nullptr) for `n_rows` rows of input, from the beginning
  // of a tile on; row_of(r): their rows of x. out: (n_rows rounded up to kInputRows,
  // kProductWidth).
  template <class RowOf>
  void multiply(quant::TensorType type, const std::byte* first, const std::byte* second,
                const Inputs& inputs, int64_t first_tile, size_t n_rows, RowOf row_of, float* out,
                int thread);
  void run_product(quant::TensorType type, const ProductArgs& args) const;
  // Calls store(matrix, row, first output, sums, how many) for all outputs of all matrices, where
  // sums has the bias added. All threads.
  template <class Store>
  void product(std::span<const Linear* const> linears, const Inputs& inputs, int64_t n_rows,
               Store store);

  void append(const float* key, const float* value, HeadPage& page, int64_t token) const;
  void attend_tile(const AttendArgs& args, const SequenceRows& sequence, int64_t first_row,
                   int n_tokens, int64_t kv_head, int thread);

  ThreadPool& pool_;            // borrowed
  const KernelTable& kernels_;  // borrowed
  Limits limits_;
  std::string keep_in_;
  PackedStore store_;
  std::vector<Buffer> packed_;  // where the store has no place
  Buffer workspaces_;           // (threads) Workspace
  Buffer
      tiles_;  // (tiles of rows, and one for each expert, widest_row / 32) of kernels_.tile_bytes
  Buffer keys_values_;    // (n_tokens, widest_row) floats: K, then V, of each token
  Buffer router_logits_;  // (n_tokens, n_experts) floats
  ExpertGroups expert_groups_;
  std::vector<sampling::Scratch> sampler_scratch_;  // (threads)
};

}  // namespace gptoss::kernels::cpu

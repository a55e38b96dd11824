// A loaded gpt-oss: configuration, weights and the forward pass over one step.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/thread_pool.h"
#include "gguf/gguf_file.h"
#include "kernels/ops.h"
#include "kv/kv_storage.h"
#include "model/activations.h"
#include "model/config.h"
#include "model/weights.h"

namespace gptoss::model {

// The tokens of one step: rows of several sequences, one sequence after the other.
struct Step {
  std::span<const int32_t> tokens;                   // (n)
  std::span<const kernels::SequenceRows> sequences;  // cover the n rows in order
};

class Model {
 public:
  // Reads and checks the file; every problem with its hyper-parameters and tensors is in one
  // ModelFileError. `ops` and `pool` are borrowed and must outlive the model.
  static std::unique_ptr<Model> load(const std::string& path, kernels::Ops& ops, ThreadPool& pool,
                                     const LoadProgress& progress = nullptr);

  const Config& config() const { return config_; }

  // Allocates what steps need. Call once, before forward.
  void reserve(int n_step_tokens, int n_logits_rows, int64_t n_positions);
  // Bytes that a reservation takes, weights and KV cache not counted.
  size_t step_bytes(int n_step_tokens, int n_logits_rows, int64_t n_positions) const;
  kv::KvShape kv_shape() const;
  // A text that is the same where K and V of the same tokens are the same, to the bit. Reads some
  // of every tensor.
  std::string identity() const;
  // Bytes of weights that count as free memory, and should not be.
  size_t mapped_bytes() const { return ops_.mapped_bytes(); }

  // Runs all layers over the step: appends its K and V to the cache and leaves the residual stream
  // in the activations. `should_stop` is asked twice a layer: once it is true, the step is given up
  // and forward returns false. Precondition: the pages of every sequence cover its positions;
  // tokens are valid ids. Allocates nothing.
  bool forward(const Step& step, kv::KvStorage& cache, const std::function<bool()>& should_stop);
  // Logits of these rows of the last step, (rows, n_vocab), valid until the next call. At most
  // n_logits_rows of them.
  float* logits(std::span<const int32_t> rows);

 private:
  kernels::Limits limits(int n_step_tokens, int n_logits_rows, int64_t n_positions) const;
  Model(gguf::GgufFile file, Config config, kernels::Ops& ops, ThreadPool& pool,
        const LoadProgress& progress);
  void attention_block(int layer, const Step& step, kv::KvStorage& cache);
  void moe_block(int layer, int n_tokens);

  gguf::GgufFile file_;
  Config config_;
  kernels::Ops& ops_;
  kernels::Rope rope_;
  Weights weights_;
  std::unique_ptr<Activations> activations_;
};

}  // namespace gptoss::model

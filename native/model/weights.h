// The weights of a model as the device computes with them: views into the mapped file wherever its
// bytes can be used as they are, owned copies where they had to be converted.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "gguf/gguf_file.h"
#include "kernels/ops.h"
#include "model/config.h"

namespace gptoss::model {

struct LayerWeights {
  const float* attn_norm;            // (hidden)
  kernels::Linear q, k, v;           // (n_heads * 64, hidden), (n_kv_heads * 64, hidden) twice
  const float* sinks;                // (n_heads)
  kernels::Linear attn_output;       // (hidden, n_heads * 64)
  const float* post_attention_norm;  // (hidden)
  kernels::Linear router;            // (n_experts, hidden)
  kernels::Linear gate, up;          // n_experts x (ff, hidden)
  kernels::Linear down;              // n_experts x (hidden, ff)
};

// Takes the bytes of weights that are ready and those of all; may throw to give up.
using LoadProgress = std::function<void(size_t done, size_t total)>;

class Weights {
 public:
  // Borrows `file`, which must outlive this. Converts types the devices do not compute with to
  // Q8_0, rows in parallel. Precondition: the file's tensors have been checked against the table.
  Weights(const gguf::GgufFile& file, const Config& config, kernels::Ops& ops, ThreadPool& pool,
          const LoadProgress& progress);

  kernels::Matrix embedding;    // (n_vocab, hidden)
  kernels::Matrix unembedding;  // (n_vocab, hidden)
  const float* output_norm;     // (hidden)
  std::vector<LayerWeights> layers;

 private:
  class Loader;
  void load(Loader loader, const Config& config);

  std::vector<Buffer>
      converted_;  // what the views above point to where they do not point into the file
};

}  // namespace gptoss::model

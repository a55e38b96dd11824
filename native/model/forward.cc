// The forward pass, as the paper has it.
#include "base/family.h"
#include "model/model.h"

namespace gptoss::model {

bool Model::forward(const Step& step, kv::KvStorage& cache,
                    const std::function<bool()>& should_stop) {
  const int n = static_cast<int>(step.tokens.size());
  ops_.embed({weights_.embedding, step.tokens.data(), activations_->x, n});
  for (int layer = 0; layer < config_.n_layers; ++layer) {
    if (should_stop()) return false;
    attention_block(layer, step, cache);
    if (should_stop()) return false;
    moe_block(layer, n);
  }
  return true;
}

void Model::attention_block(int layer, const Step& step, kv::KvStorage& cache) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  Activations& a = *activations_;
  const int n = static_cast<int>(step.tokens.size());
  const bool sliding = is_sliding_layer(layer);
  const kernels::KvLayer kv{cache.layer_base(layer), cache.page_stride(sliding),
                            config_.n_kv_heads};

  ops_.norm({a.x, w.attn_norm, a.normed, n, config_.hidden, config_.norm_epsilon});
  ops_.qkv_rope_append({a.normed, w.q, w.k, w.v, &rope_, step.sequences, sliding, kv, a.query, n});
  ops_.attend({a.query, w.sinks, step.sequences, sliding, kv, a.attended, config_.n_heads, n});
  ops_.project_residual({a.attended, w.attn_output, a.x, n});
}

void Model::moe_block(int layer, int n) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  Activations& a = *activations_;

  ops_.norm({a.x, w.post_attention_norm, a.normed, n, config_.hidden, config_.norm_epsilon});
  ops_.route({a.normed, w.router, a.experts, a.expert_weights, n});
  ops_.moe_up_swiglu({a.normed, a.experts, w.gate, w.up, a.activated, n});
  ops_.moe_down_combine({a.activated, a.experts, a.expert_weights, w.down, a.expert_out, a.x, n});
}

float* Model::logits(std::span<const int32_t> rows) {
  Activations& a = *activations_;
  ops_.logits({a.x, rows.data(), weights_.output_norm, config_.norm_epsilon, weights_.unembedding,
               a.logits_normed, a.logits, static_cast<int>(rows.size())});
  return a.logits;
}

}  // namespace gptoss::model

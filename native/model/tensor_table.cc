#include "model/tensor_table.h"

#include "base/check.h"

namespace gptoss::model {
namespace {

using enum Dim;
using enum Role;

constexpr TensorSpec kModelTensors[] = {
    {"token_embd.weight", {hidden, vocab}, dense},
    {"output_norm.weight", {hidden}, floats},
    {"output.weight", {hidden, vocab}, dense},
};

constexpr TensorSpec kLayerTensors[] = {
    {"attn_norm.weight", {hidden}, floats},
    {"attn_q.weight", {hidden, query}, dense},
    {"attn_q.bias", {query}, floats},
    {"attn_k.weight", {hidden, key_value}, dense},
    {"attn_k.bias", {key_value}, floats},
    {"attn_v.weight", {hidden, key_value}, dense},
    {"attn_v.bias", {key_value}, floats},
    {"attn_sinks.weight", {heads}, floats},
    {"attn_output.weight", {query, hidden}, dense},
    {"attn_output.bias", {hidden}, floats},
    {"post_attention_norm.weight", {hidden}, floats},
    {"ffn_gate_inp.weight", {hidden, expert}, router},
    {"ffn_gate_inp.bias", {expert}, floats},
    {"ffn_gate_exps.weight", {hidden, ff, expert}, experts},
    {"ffn_gate_exps.bias", {ff, expert}, floats},
    {"ffn_up_exps.weight", {hidden, ff, expert}, experts},
    {"ffn_up_exps.bias", {ff, expert}, floats},
    {"ffn_down_exps.weight", {ff, hidden, expert}, experts},
    {"ffn_down_exps.bias", {hidden, expert}, floats},
};

}  // namespace

std::span<const TensorSpec> model_tensors() { return kModelTensors; }
std::span<const TensorSpec> layer_tensors() { return kLayerTensors; }

int64_t size_of(Dim dim, const Config& config) {
  switch (dim) {
    case none:
      return 1;
    case hidden:
      return config.hidden;
    case vocab:
      return config.n_vocab;
    case query:
      return config.query_width();
    case key_value:
      return config.key_value_width();
    case heads:
      return config.n_heads;
    case expert:
      return config.n_experts;
    case ff:
      return config.ff;
  }
  GPTOSS_CHECK(false);
}

std::string_view name_of(Dim dim) {
  constexpr std::string_view kNames[] = {"none",      "hidden", "vocab",  "query",
                                         "key_value", "heads",  "expert", "ff"};
  return kNames[static_cast<size_t>(dim)];
}

std::string_view name_of(Role role) {
  constexpr std::string_view kNames[] = {"dense", "router", "experts", "floats"};
  return kNames[static_cast<size_t>(role)];
}

std::string layer_prefix(int layer) {
  return layer < 0 ? "" : "blk." + std::to_string(layer) + ".";
}

}  // namespace gptoss::model

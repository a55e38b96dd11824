// The hyper-parameters of one gpt-oss model, read from its file and checked against what the family
// fixes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"

namespace gptoss::model {

struct Config {
  int n_layers = 0;
  int n_experts = 0;
  int n_heads = 0;  // query heads
  int n_kv_heads = 0;
  int64_t hidden = 0;  // width of the residual stream
  int64_t ff = 0;      // width inside an expert
  int64_t n_vocab = 0;
  int64_t n_ctx_train = 0;  // longest context the model was made for, in tokens
  float norm_epsilon = 1e-5f;
  float rope_theta = 150000.0f;
  float rope_factor = 32.0f;         // YaRN: context extension
  int64_t rope_original_ctx = 4096;  // YaRN: context before extension, in tokens
  float rope_beta_fast = 32.0f;
  float rope_beta_slow = 1.0f;

  bool has_all_sizes() const;       // false after a problem with one that tensor shapes depend on
  int64_t query_width() const;      // n_heads * head_dim
  int64_t key_value_width() const;  // n_kv_heads * head_dim
};

// Reads every hyper-parameter. What is missing, of the wrong type or unlike gpt-oss is appended to
// `problems`, a line each; a size with a problem is left 0.
Config read_config(const gguf::GgufFile& file, std::vector<std::string>& problems);

}  // namespace gptoss::model

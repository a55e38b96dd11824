// The tensors of a gpt-oss file: name, shape and role, in one place.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/config.h"

namespace gptoss::model {

// A size that the configuration defines.
enum class Dim : uint8_t { none, hidden, vocab, query, key_value, heads, expert, ff };

enum class Role : uint8_t {
  dense,    // matrix of a linear layer or embedding; any readable type
  router,   // small matrix kept in float32
  experts,  // one matrix per expert; any readable type, normally MXFP4
  floats,   // norms, biases, sinks: float32 (half types are widened at load)
};

struct TensorSpec {
  std::string_view name;     // as llama.cpp writes it; a layer's tensors are prefixed with "blk.N."
  std::array<Dim, 3> shape;  // ggml order: the contiguous dimension first; none = not there
  Role role;
};

std::span<const TensorSpec> model_tensors();  // once per model
std::span<const TensorSpec> layer_tensors();  // once per layer

int64_t size_of(Dim dim, const Config& config);
std::string_view name_of(Dim dim);
std::string_view name_of(Role role);

// "blk.3." for layer 3, "" for layer -1 (the model's own tensors).
std::string layer_prefix(int layer);

}  // namespace gptoss::model

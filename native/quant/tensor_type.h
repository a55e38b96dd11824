// The tensor types of GGUF that this engine reads, with their block geometry.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gptoss::quant {

// Values are GGUF's type ids.
enum class TensorType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  mxfp4_pairs =
      4,  // MXFP4 as Ollama wrote it in August 2025: byte j holds weights 2j (low) and 2j+1 (high)
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  iq4_xs = 23,
  bf16 = 30,
  mxfp4 = 39,  // byte j holds weights j (low) and j+16 (high)
};

struct TypeTraits {
  const char* name;      // as GGUF tools print it, e.g. "Q8_0"
  uint32_t block_items;  // weights a block holds
  uint32_t block_bytes;  // bytes a block takes
};

// Traits of a GGUF type id, or nullptr when this engine does not read that type.
const TypeTraits* find_type_traits(uint32_t type_id) noexcept;

// Traits of a known type.
const TypeTraits& type_traits(TensorType type) noexcept;

// Bytes of a row of `cols` weights. Precondition: cols is a multiple of block_items.
size_t row_bytes(TensorType type, size_t cols) noexcept;

}  // namespace gptoss::quant

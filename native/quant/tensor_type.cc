#include "quant/tensor_type.h"

#include <cassert>

namespace gptoss::quant {
namespace {

struct Row {
  TensorType type;
  TypeTraits traits;
};

constexpr Row kTable[] = {
    {TensorType::f32, {"F32", 1, 4}},
    {TensorType::f16, {"F16", 1, 2}},
    {TensorType::q4_0, {"Q4_0", 32, 18}},
    {TensorType::q4_1, {"Q4_1", 32, 20}},
    {TensorType::mxfp4_pairs, {"MXFP4_PAIRS", 32, 17}},
    {TensorType::q5_0, {"Q5_0", 32, 22}},
    {TensorType::q5_1, {"Q5_1", 32, 24}},
    {TensorType::q8_0, {"Q8_0", 32, 34}},
    {TensorType::q2_k, {"Q2_K", 256, 84}},
    {TensorType::q3_k, {"Q3_K", 256, 110}},
    {TensorType::q4_k, {"Q4_K", 256, 144}},
    {TensorType::q5_k, {"Q5_K", 256, 176}},
    {TensorType::q6_k, {"Q6_K", 256, 210}},
    {TensorType::iq4_nl, {"IQ4_NL", 32, 18}},
    {TensorType::iq4_xs, {"IQ4_XS", 256, 136}},
    {TensorType::bf16, {"BF16", 1, 2}},
    {TensorType::mxfp4, {"MXFP4", 32, 17}},
};

}  // namespace

const TypeTraits* find_type_traits(uint32_t type_id) noexcept {
  for (const Row& row : kTable) {
    if (static_cast<uint32_t>(row.type) == type_id) return &row.traits;
  }
  return nullptr;
}

const TypeTraits& type_traits(TensorType type) noexcept {
  const TypeTraits* traits = find_type_traits(static_cast<uint32_t>(type));
  assert(traits != nullptr);
  return *traits;
}

size_t row_bytes(TensorType type, size_t cols) noexcept {
  const TypeTraits& traits = type_traits(type);
  assert(cols % traits.block_items == 0);
  return cols / traits.block_items * traits.block_bytes;
}

}  // namespace gptoss::quant

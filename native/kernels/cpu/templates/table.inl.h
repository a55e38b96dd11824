// The table of one instruction set. Included by the ISA spines only, after a vector header.
#pragma once

#include "kernels/cpu/templates/attention.inl.h"
#include "kernels/cpu/templates/bf16_formats.inl.h"
#include "kernels/cpu/templates/block_product.inl.h"
#include "kernels/cpu/templates/float_product.inl.h"
#include "kernels/cpu/templates/int16_heads.inl.h"
#include "kernels/cpu/templates/int8_formats.inl.h"
#include "kernels/cpu/templates/vector_math.inl.h"

namespace {

using gptoss::kernels::cpu::KernelTable;

constexpr KernelTable int8_table(const char* isa) {
  return {
      .isa = isa,
      .arithmetic = "int8",
      .tile_bytes = sizeof(QuantTile),
      .bf16_takes_tiles = false,
      .product_mxfp4 = block_product<Mxfp4>,
      .product_q8_0 = block_product<Int8>,
      .product_f32 = product<FloatTile<F32>>,
      .product_f16 = product<FloatTile<F16>>,
      .product_bf16 = product<FloatTile<Bf16>>,
      .attend_page = attend_page,
      .quantize_head = quantize_head,
      .quantize_value = quantize_value,
      .rms_norm = rms_norm,
      .quantize = quantize_int8,
      .swiglu = swiglu,
  };
}

// Inputs: in which form they are multiplied.
template <class Inputs = FloatInputs>
constexpr KernelTable bf16_table(const char* isa) {
  KernelTable table = int8_table(isa);
  table.arithmetic = "bf16";
  table.tile_bytes = sizeof(typename Inputs::Tile);
  table.bf16_takes_tiles = true;
  table.product_mxfp4 = block_product<InBf16<Mxfp4Values, Inputs>>;
  table.product_q8_0 = block_product<InBf16<Int8Values, Inputs>>;
  table.product_bf16 = block_product<InBf16<Bf16Values, Inputs>>;
  table.quantize = round_to_bf16<typename Inputs::Tile>;
  return table;
}

}  // namespace

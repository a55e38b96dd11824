// The table of one instruction set. Included by the ISA spines only, after a vector header.
#pragma once

#include "kernels/cpu/templates/attention.inl.h"
#include "kernels/cpu/templates/float_product.inl.h"
#include "kernels/cpu/templates/integer_product.inl.h"
#include "kernels/cpu/templates/vector_math.inl.h"

namespace {

constexpr gptoss::kernels::cpu::KernelTable table_named(const char* isa) {
  return {
      .isa = isa,
      .product_mxfp4 = integer_product<Mxfp4>,
      .product_q8_0 = integer_product<Int8>,
      .product_f32 = product<FloatTile<F32>>,
      .product_f16 = product<FloatTile<F16>>,
      .product_bf16 = product<FloatTile<Bf16>>,
      .attend_block = attend_block,
      .rms_norm = rms_norm,
      .quantize = quantize,
      .swiglu = swiglu,
      .store_half = store_halves,
  };
}

}  // namespace

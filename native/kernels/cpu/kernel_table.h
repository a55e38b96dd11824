// The inner loops of the CPU device, once for each instruction set and arithmetic: "int8" rounds
// the inputs of products to int8, "bf16" to bfloat16. All instruction sets give the same bits:
// integer sums are exact, and every float operation is written down in one order for all.
//
// Pointers are borrowed for the call. "Panel": see layout.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/family.h"
#include "kernels/cpu/layout.h"

namespace gptoss::kernels::cpu {

// 16 or 32 outputs of a matrix for up to kProductRows rows of input.
struct ProductArgs {
  const std::byte* panels[2] = {};  // the second may be nullptr
  int64_t n_blocks = 0;             // of 32 inputs
  int n_rows = 0;
  // (tiles_of(n_rows), n_blocks): QuantTile, or one of the Bf16 ones, as the table has it.
  const std::byte* tiles = nullptr;
  // (n_rows): n_blocks * 32 inputs each, for weights that take them as they are.
  const float* const* rows = nullptr;
  // (n_rows rounded up to kInputRows, 32): panel 0, then panel 1; what is beyond n_rows is scratch.
  float* out = nullptr;
  std::byte* scratch = nullptr;  // (kProductScratch), on a cache line
};
inline constexpr int kProductRows = 128;
inline constexpr int kProductWidth = 2 * kPanelRows;

// What is unpacked at once: codes of one byte, scales in float32. Of wider ones fewer blocks.
inline constexpr int kSpanBlocks = 16;
inline constexpr int kUnpackedBytes =
    kSpanBlocks * (kBlock * kPanelRows + kPanelRows * static_cast<int>(sizeof(float)));
inline constexpr int kProductScratch = 2 * kUnpackedBytes;

// A page of keys for the query rows of one KV head of one sequence. Positions count from the page's
// first key.
struct AttendPageArgs {
  const HeadPage* page = nullptr;
  int n_rows = 0;                    // query rows, a multiple of 8, at most kQueryRows
  const int16_t* queries = nullptr;  // (32, kQueryRows, 2): pairs of dimensions
  // (kQueryRows) of the queries; with them and the keys' a product is a score in powers of two.
  const float* query_scales = nullptr;
  // (kQueryRows) the keys that a row sees, up to kPageTokens; end <= first: none. What is beyond
  // n_rows has no effect, here and below.
  const int32_t* first = nullptr;
  const int32_t* end = nullptr;
  // Softmax so far, of each row: largest score plus exponent of its value, sum of
  // 2^(score - highest), weighted values.
  float* highest = nullptr;      // (kQueryRows)
  float* denominator = nullptr;  // (kQueryRows)
  float* values_sum = nullptr;   // (n_rows, 64)
  struct AttendPageScratch* scratch = nullptr;
};

struct alignas(kLine) AttendPageScratch {
  float scores[kPageTokens][kQueryRows];
  int16_t weights[kPageTokens / 2][kQueryRows][2];
  float of_one[kPageTokens];  // what a weight is without its value's scale
  float keep[kQueryRows];     // what the sums so far are worth, with the new highest
  float unit[kQueryRows];     // what a product of weight and value is worth
};

struct KernelTable {
  const char* isa;
  const char* arithmetic;  // "int8" or "bf16"
  size_t tile_bytes;
  bool bf16_takes_tiles;  // as product_mxfp4 and product_q8_0 always do
  void (*product_mxfp4)(const ProductArgs& args);
  void (*product_q8_0)(const ProductArgs& args);
  void (*product_f32)(const ProductArgs& args);
  void (*product_f16)(const ProductArgs& args);
  void (*product_bf16)(const ProductArgs& args);
  void (*attend_page)(const AttendPageArgs& args);
  // Queries and keys, x: (64). Returns the scale: x[i] ~ scale * out[i]; NaN if an x is NaN or
  // infinite.
  float (*quantize_head)(const float* x, int16_t* out);
  // Values, x: (64). Returns the exponent: x[i] ~ 2^exponent * out[i]; NaN as above.
  float (*quantize_value)(const float* x, int16_t* out);
  // x, weight, y: (n), n a multiple of 32.
  void (*rms_norm)(const float* x, const float* weight, float* y, int64_t n, float epsilon);
  // x: (n_blocks * 32), to one row of the tiles: (n_blocks). In int8 a block with a NaN or an
  // infinity gets NaN as its scale.
  void (*quantize)(const float* x, int64_t n_blocks, std::byte* tiles, int row);
  // sums: (n_rows, 32), gates then ups of 16 outputs, without their biases, each (16). Gates become
  // (up + 1) * gate * sigmoid(1.702 gate), clamped.
  void (*swiglu)(float* sums, int n_rows, const float* gate_bias, const float* up_bias);
};

extern const KernelTable kScalarKernels, kScalarBf16Kernels;
#if defined(__x86_64__)
extern const KernelTable kAvx2Kernels, kAvxVnniKernels, kAvx512Kernels, kAmxKernels;
extern const KernelTable kAvx2Bf16Kernels, kAvx512Bf16Kernels, kAvx512PairsKernels;
#elif defined(__aarch64__)
extern const KernelTable kNeonKernels, kNeonBf16Kernels;
#endif

// The tables of an arithmetic that this machine can run, best first.
std::vector<const KernelTable*> supported_kernels(std::string_view arithmetic);
// The table that the environment's GPTOSS_CPU_ISA names, or the best. Throws RequestError, naming
// those that there are.
const KernelTable& wanted_kernels(std::string_view arithmetic);

}  // namespace gptoss::kernels::cpu

// The kernels in AVX-512 with the integer products of AMX.
//
// A tile product sums a block of 32 inputs for 16 rows of input and a panel; the float sums are
// those of every other instruction set. Loading and storing tiles takes most of the time: see
// bench/lab.
#include <immintrin.h>

#include "kernels/cpu/simd/vec_avx512.h"
#include "kernels/cpu/templates/table.inl.h"

namespace gptoss::kernels::cpu {
namespace {

struct alignas(kLine) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

constexpr int kGroups = kBlock / 4;

// Tiles 0, 1: sums (16 rows of input, 16 outputs). 2, 3: activations (16 rows of input, 32 bytes).
// 4, 5: weights (8 groups, 64 bytes), as a panel has them.
constexpr TileConfig tile_config() {
  TileConfig config;
  for (int tile = 0; tile < 4; ++tile) config.rows[tile] = kInputRows;
  for (int tile = 4; tile < 6; ++tile) config.rows[tile] = kGroups;
  for (const int tile : {0, 1, 4, 5}) config.row_bytes[tile] = kGroupBytes;
  for (const int tile : {2, 3}) config.row_bytes[tile] = kBlock;
  return config;
}
constexpr TileConfig kTileConfig = tile_config();

// The intrinsics of gcc 12 take no template arguments, and hide that tiles are loaded and stored.
template <int kTile>
inline void load_tile(const void* from, int64_t row_bytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(row_bytes), "i"(kTile) : "memory");
}
template <int kTile>
inline void store_tile(void* to, int64_t row_bytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(row_bytes), "i"(kTile) : "memory");
}
// sums = inputs * weights, signed bytes.
template <int kSums, int kInputs, int kWeights>
inline void multiply_tiles() {
  asm volatile("tilezero %%tmm%c0\n\ttdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums),
               "i"(kInputs), "i"(kWeights));
}

// Codes as signed bytes.
template <class Format>
struct Signed : Format {
  static void load_pair(const uint8_t* codes, int pair, Codes& first, Codes& second) {
    static_assert(kCodeOffset == 128 && Format::kHasOffset);
    Format::load_pair(codes, pair, first, second);
    first = _mm512_xor_si512(first, _mm512_set1_epi8(-128));
    second = _mm512_xor_si512(second, _mm512_set1_epi8(-128));
  }
};

struct BlockSums {
  alignas(kLine) int32_t of[kInputRows][kPanelRows];
};

inline void add_block(const BlockSums& dots, Floats scales, const float* x_scales, Floats* sums) {
  for (int r = 0; r < kInputRows; ++r)
    sums[r] =
        fma(to_float(_mm512_load_si512(dots.of[r])), mul(scales, broadcast(x_scales[r])), sums[r]);
}

// Stores the sums of block b; odd blocks use tiles of their own, so that two can be under way.
template <int kParity>
inline void multiply_block(const uint8_t* codes, const QuantTile* x, int64_t b, BlockSums& dots) {
  load_tile<2 + kParity>(x[b].q, kBlock);
  load_tile<4 + kParity>(codes + b * kGroups * kGroupBytes, kGroupBytes);
  multiply_tiles<kParity, 2 + kParity, 4 + kParity>();
  store_tile<kParity>(dots.of, kGroupBytes);
}

inline void add_panel(const uint8_t* panel, const QuantTile* x, Span span, float* out) {
  const auto* const scales =
      reinterpret_cast<const float*>(panel + span.count * kGroups * kGroupBytes);
  BlockSums even, odd;
  Floats sums[kInputRows];
  for (int r = 0; r < kInputRows; ++r)
    sums[r] = span.first == 0 ? broadcast(0.0f) : load(out + r * kProductWidth);
  multiply_block<0>(panel, x, 0, even);
  for (int64_t b = 0; b < span.count; b += 2) {
    // The next block is multiplied while this one is converted.
    if (b + 1 < span.count) multiply_block<1>(panel, x, b + 1, odd);
    add_block(even, load(scales + b * kPanelRows), x[b].scale, sums);
    if (b + 1 == span.count) break;
    if (b + 2 < span.count) multiply_block<0>(panel, x, b + 2, even);
    add_block(odd, load(scales + (b + 1) * kPanelRows), x[b + 1].scale, sums);
  }
  for (int r = 0; r < kInputRows; ++r) store(out + r * kProductWidth, sums[r]);
}

// A few rows, as in decode, leave a tile empty.
template <class Format>
void tile_product(const ProductArgs& args) {
  if (args.n_rows <= kTileRows) return block_product<Format>(args);
  _tile_loadconfig(&kTileConfig);
  auto* const wide = reinterpret_cast<uint8_t*>(args.scratch);
  for (Span span{0, 0}; span.first < args.n_blocks; span.first += kSpanBlocks) {
    span.count = span_blocks<Format>(args.n_blocks, span.first);
    for (int p = 0; p < 2 && args.panels[p] != nullptr; ++p)
      unpack<Signed<Format>>(bytes_of(args.panels[p]), args.n_blocks, span,
                             wide + p * kUnpackedBytes);
    Ahead ahead = codes_ahead<Format>(args, span, static_cast<int>(tiles_of(args.n_rows)));
    for (int row = 0; row < args.n_rows; row += kInputRows) {
      ahead.step();
      for (int p = 0; p < 2 && args.panels[p] != nullptr; ++p)
        add_panel(wide + p * kUnpackedBytes, input_tiles<QuantTile>(args, span, row), span,
                  args.out + row * kProductWidth + p * kPanelRows);
    }
  }
  _tile_release();
}

constexpr KernelTable amx_table() {
  KernelTable table = int8_table("amx");
  table.product_mxfp4 = tile_product<Mxfp4>;
  table.product_q8_0 = tile_product<Int8>;
  return table;
}

}  // namespace

constinit const KernelTable kAmxKernels = amx_table();

}  // namespace gptoss::kernels::cpu

// The blocks of each quantised type as they lie in a file. Rows may start at any byte: copy a block
// out with load().
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gptoss::quant {

static_assert(std::endian::native == std::endian::little, "GGUF data is little-endian");

// d, m: scale and minimum, bits of a half. In 32-blocks byte j of qs holds weight j (low nibble)
// and j+16 (high).
struct BlockQ4_0 {  // w = d * (q - 8)
  uint16_t d;
  uint8_t qs[16];
};
struct BlockQ4_1 {  // w = d * q + m
  uint16_t d;
  uint16_t m;
  uint8_t qs[16];
};
struct BlockQ5_0 {  // w = d * (q - 16); bit i of qh is bit 4 of weight i
  uint16_t d;
  uint8_t qh[4];
  uint8_t qs[16];
};
struct BlockQ5_1 {  // w = d * q + m
  uint16_t d;
  uint16_t m;
  uint8_t qh[4];
  uint8_t qs[16];
};
struct BlockQ8_0 {  // w = d * q
  uint16_t d;
  int8_t qs[32];
};
struct BlockMxfp4 {  // w = 2^(e-128) * kMxfp4Values[q]
  uint8_t e;
  uint8_t qs[16];
};
struct BlockIq4Nl {  // w = d * kIq4Values[q]
  uint16_t d;
  uint8_t qs[16];
};

// Super-blocks of 256 weights; the scale of a sub-block is itself an integer times d (and its
// minimum times dmin).
struct BlockQ2K {  // 16 sub-blocks of 16; scales[s]: low nibble scale, high nibble minimum
  uint8_t scales[16];
  uint8_t qs[64];
  uint16_t d;
  uint16_t dmin;
};
struct BlockQ3K {  // 16 sub-blocks of 16; scales are 6 bits; a clear bit in hmask subtracts 4
  uint8_t hmask[32];
  uint8_t qs[64];
  uint8_t scales[12];
  uint16_t d;
};
struct BlockQ4K {  // 8 sub-blocks of 32; scales and minima are 6 bits
  uint16_t d;
  uint16_t dmin;
  uint8_t scales[12];
  uint8_t qs[128];
};
struct BlockQ5K {  // as Q4_K; bit s of qh[i] is bit 4 of weight i of sub-block s
  uint16_t d;
  uint16_t dmin;
  uint8_t scales[12];
  uint8_t qh[32];
  uint8_t qs[128];
};
struct BlockQ6K {  // 16 sub-blocks of 16; low 4 bits in ql, high 2 bits in qh
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  uint16_t d;
};
struct BlockIq4Xs {  // 8 sub-blocks of 32; scales are 6 bits, offset 32
  uint16_t d;
  uint16_t scales_h;
  uint8_t scales_l[4];
  uint8_t qs[128];
};

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20);
static_assert(sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockMxfp4) == 17 && sizeof(BlockIq4Nl) == 18);
static_assert(sizeof(BlockQ2K) == 84 && sizeof(BlockQ3K) == 110 && sizeof(BlockQ4K) == 144);
static_assert(sizeof(BlockQ5K) == 176 && sizeof(BlockQ6K) == 210 && sizeof(BlockIq4Xs) == 136);

// The 16 values of an E2M1 code, doubled so that they are integers; code 8 (minus zero) reads as
// plus zero.
inline constexpr int8_t kMxfp4Values[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                            0, -1, -2, -3, -4, -6, -8, -12};
// The non-linear 4-bit levels of IQ4_NL and IQ4_XS.
inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

// Copy of block `index` of a row that may start at any byte.
template <class Block>
Block load(const void* src, size_t index) noexcept {
  Block block;
  std::memcpy(&block, static_cast<const std::byte*>(src) + index * sizeof(Block), sizeof(Block));
  return block;
}

}  // namespace gptoss::quant

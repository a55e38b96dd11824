#include "kernels/cpu/pack.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/layout.h"
#include "quant/blocks.h"

namespace gptoss::kernels::cpu {
namespace {

using quant::TensorType;

uint32_t word(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// Four low nibbles of two words, as one word: those of `first` low, those of `second` high.
uint32_t join_low(uint32_t first, uint32_t second) {
  return (first & 0x0F0F0F0F) | (second & 0x0F0F0F0F) << 4;
}
uint32_t join_high(uint32_t first, uint32_t second) {
  return (first >> 4 & 0x0F0F0F0F) | (second & 0xF0F0F0F0);
}

// From nibbles of neighbours (2j, 2j+1) to those of halves (j, j+16).
void split_pairs(uint8_t (&qs)[16]) {
  uint8_t halves[16];
  for (int j = 0; j < 16; ++j) {
    const auto code = [&](int k) { return qs[k / 2] >> (k % 2 * 4) & 15; };
    halves[j] = static_cast<uint8_t>(code(j) | code(j + 16) << 4);
  }
  std::memcpy(qs, halves, sizeof halves);
}

void pack_mxfp4(const std::byte* row, bool pairs, int64_t n_blocks, int lane, std::byte* out) {
  constexpr BlockBytes kBytes = block_bytes(TensorType::mxfp4);
  std::byte* const scales = out + kBytes.codes * n_blocks;
  for (int64_t b = 0; b < n_blocks; ++b) {
    auto block = quant::load<quant::BlockMxfp4>(row, static_cast<size_t>(b));
    if (pairs) split_pairs(block.qs);
    const uint32_t w[4] = {word(block.qs), word(block.qs + 4), word(block.qs + 8),
                           word(block.qs + 12)};
    const uint32_t groups[4] = {join_low(w[0], w[1]), join_low(w[2], w[3]), join_high(w[0], w[1]),
                                join_high(w[2], w[3])};
    for (int g = 0; g < 4; ++g)
      std::memcpy(out + b * kBytes.codes + g * 4 * kPanelRows + 4 * lane, &groups[g], 4);
    scales[b * kBytes.scales + lane] = std::byte{block.e};
  }
}

void pack_q8_0(const std::byte* row, int64_t n_blocks, int lane, std::byte* out) {
  constexpr BlockBytes kBytes = block_bytes(TensorType::q8_0);
  std::byte* const scales = out + kBytes.codes * n_blocks;
  for (int64_t b = 0; b < n_blocks; ++b) {
    const auto block = quant::load<quant::BlockQ8_0>(row, static_cast<size_t>(b));
    for (int g = 0; g < kBlock / 4; ++g)
      std::memcpy(out + b * kBytes.codes + g * 4 * kPanelRows + 4 * lane, block.qs + 4 * g, 4);
    std::memcpy(scales + b * kBytes.scales + 2 * lane, &block.d, 2);
  }
}

void pack_floats(const std::byte* row, size_t element_bytes, int64_t cols, int lane,
                 std::byte* out) {
  for (int64_t k = 0; k < cols; ++k)
    std::memcpy(out + static_cast<size_t>(k * kPanelRows + lane) * element_bytes,
                row + static_cast<size_t>(k) * element_bytes, element_bytes);
}

}  // namespace

TensorType packed_type(TensorType type) {
  return type == TensorType::mxfp4_pairs ? TensorType::mxfp4 : type;
}

void pack_panel(const Matrix& host, int64_t which, int64_t panel, std::byte* out) {
  const int64_t n_blocks = host.cols / kBlock, first = panel * kPanelRows;
  const auto n_rows = static_cast<int>(std::min<int64_t>(kPanelRows, host.rows - first));
  for (int lane = 0; lane < n_rows; ++lane) {
    const std::byte* row = host.row(which, first + lane);
    switch (host.type) {
      case TensorType::mxfp4:
      case TensorType::mxfp4_pairs:
        pack_mxfp4(row, host.type == TensorType::mxfp4_pairs, n_blocks, lane, out);
        break;
      case TensorType::q8_0:
        pack_q8_0(row, n_blocks, lane, out);
        break;
      default:
        pack_floats(row, quant::row_bytes(host.type, 1), host.cols, lane, out);
    }
  }
}

}  // namespace gptoss::kernels::cpu

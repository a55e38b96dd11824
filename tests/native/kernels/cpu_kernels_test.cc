// Every instruction set against plain formulas, and all of them against each other to the bit.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/pack.h"
#include "quant/codec.h"
#include "testing.h"

using namespace gptoss;
using namespace gptoss::kernels;
using namespace gptoss::kernels::cpu;
using quant::TensorType;

namespace {

std::vector<float> random_floats(size_t n, unsigned seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// A matrix of random bytes that mean finite weights, in a file's layout and packed.
struct TestMatrix {
  TestMatrix(TensorType type, int64_t n_rows, int64_t cols, unsigned seed)
      : bytes(quant::row_bytes(type, static_cast<size_t>(cols)) * static_cast<size_t>(n_rows)) {
    const size_t row_bytes = quant::row_bytes(type, static_cast<size_t>(cols));
    host = {type, n_rows, cols, 1, bytes.data(), row_bytes, bytes.size()};
    fill(seed);
    const size_t stride = panel_bytes(packed_type(type), cols / kBlock);
    packed = Buffer(stride * static_cast<size_t>(panels_of(n_rows)), "test");
    for (int64_t p = 0; p < panels_of(n_rows); ++p) {
      panels.push_back(packed.data() + stride * static_cast<size_t>(p));
      pack_panel(host, 0, p, packed.data() + stride * static_cast<size_t>(p));
    }
  }

  void fill(unsigned seed) {
    const auto values = random_floats(static_cast<size_t>(host.rows * host.cols), seed);
    std::mt19937 random(seed);
    for (size_t i = 0; i < values.size(); ++i) {
      if (host.type == TensorType::f32) std::memcpy(&bytes[4 * i], &values[i], 4);
      const uint16_t bits = host.type == TensorType::f16 ? quant::float_to_half(values[i])
                                                         : quant::float_to_bf16(values[i]);
      if (host.type == TensorType::f16 || host.type == TensorType::bf16)
        std::memcpy(&bytes[2 * i], &bits, 2);
    }
    if (host.type == TensorType::q8_0)
      for (int64_t r = 0; r < host.rows; ++r)
        quant::quantize_row_q8_0(values.data() + r * host.cols,
                                 bytes.data() + static_cast<size_t>(r) * host.row_stride,
                                 static_cast<size_t>(host.cols));
    if (host.type == TensorType::mxfp4 || host.type == TensorType::mxfp4_pairs)
      for (size_t i = 0; i < bytes.size(); ++i)
        // Scales about 1, and now and then subnormal ones.
        bytes[i] = std::byte(i % 17 != 0         ? random() % 256
                             : random() % 8 == 0 ? random() % 3
                                                 : 120 + random() % 8);
  }

  std::vector<float> row(int64_t index) const {
    std::vector<float> values(static_cast<size_t>(host.cols));
    quant::dequantize_row(host.type, host.row(0, index), values.data(), values.size());
    return values;
  }

  std::vector<std::byte> bytes;
  Matrix host;
  Buffer packed;
  std::vector<const std::byte*> panels;
};

void multiply(const KernelTable& kernels, TensorType type, const ProductArgs& args) {
  switch (packed_type(type)) {
    case TensorType::mxfp4:
      return kernels.product_mxfp4(args);
    case TensorType::q8_0:
      return kernels.product_q8_0(args);
    case TensorType::f16:
      return kernels.product_f16(args);
    case TensorType::bf16:
      return kernels.product_bf16(args);
    default:
      return kernels.product_f32(args);
  }
}

// The plainest of the same arithmetic.
const KernelTable& twin_of(const KernelTable& kernels) {
  return *supported_kernels(kernels.arithmetic).back();
}

// Of both arithmetics.
std::vector<const KernelTable*> all_kernels() {
  auto tables = supported_kernels("int8");
  for (const KernelTable* table : supported_kernels("bf16")) tables.push_back(table);
  return tables;
}

constexpr int64_t kCols = (2 * kSpanBlocks + 3) * kBlock;  // two spans and a rest

// (n_rows, 32) sums of both panels of a matrix for rows of random input.
struct ProductCase {
  ProductCase(const KernelTable& kernels, const TestMatrix& matrix, int n_rows, bool two_panels)
      : x(random_floats(static_cast<size_t>(n_rows * kCols), 7)),
        tile_bytes(kernels.tile_bytes),
        tiles(static_cast<size_t>(tiles_of(n_rows) * kCols / kBlock) * tile_bytes, "test"),
        out(static_cast<size_t>((n_rows + 15) / 16 * 16 * kProductWidth)) {
    std::vector<const float*> rows;
    for (int r = 0; r < n_rows; ++r) {
      rows.push_back(&x[static_cast<size_t>(r * kCols)]);
      kernels.quantize(rows.back(), kCols / kBlock, tile_at(r, 0), r % kInputRows);
    }
    const Buffer scratch(kProductScratch, "test");
    multiply(kernels, matrix.host.type,
             {{matrix.panels[0], two_panels ? matrix.panels[1] : nullptr},
              kCols / kBlock,
              n_rows,
              tiles.data(),
              rows.data(),
              out.data(),
              scratch.data()});
  }

  // What input row r is worth once it is rounded.
  float input(int64_t r, int64_t k, bool takes_tiles) const {
    const float value = x[static_cast<size_t>(r * kCols + k)];
    if (!takes_tiles) return value;
    if (tile_bytes != sizeof(QuantTile)) return quant::bf16_to_float(quant::float_to_bf16(value));
    const auto& tile = *reinterpret_cast<const QuantTile*>(tile_at(r, k / kBlock));
    return tile.scale[r % kInputRows] * tile.q[r % kInputRows][k % kBlock];
  }

  std::byte* tile_at(int64_t r, int64_t block) const {
    return tiles.data() +
           static_cast<size_t>(r / kInputRows * (kCols / kBlock) + block) * tile_bytes;
  }

  std::vector<float> x;
  size_t tile_bytes;
  Buffer tiles;
  std::vector<float> out;
};

constexpr TensorType kTypes[] = {TensorType::f32,  TensorType::f16,   TensorType::bf16,
                                 TensorType::q8_0, TensorType::mxfp4, TensorType::mxfp4_pairs};

}  // namespace

TEST(the_wanted_instruction_set_is_compared_below) {
  const char* const wanted = std::getenv("GPTOSS_CPU_ISA");
  for (const char* arithmetic : {"int8", "bf16"}) {
    const KernelTable& best = *supported_kernels(arithmetic).front();
    CHECK_EQ(std::string(wanted_kernels(arithmetic).isa), wanted != nullptr ? wanted : best.isa);
  }
}

TEST(products_are_those_of_the_decoded_weights) {
  for (const TensorType type : kTypes) {
    const TestMatrix matrix(type, 29, kCols, 3);  // the second panel is not full
    const bool is_integer = packed_type(type) == TensorType::mxfp4 || type == TensorType::q8_0;
    for (const KernelTable* kernels : all_kernels()) {
      const bool takes_tiles =
          is_integer || (type == TensorType::bf16 && kernels->bf16_takes_tiles);
      const ProductCase result(*kernels, matrix, 5, true);
      for (int64_t i = 0; i < 32; ++i) {
        const auto weights = i < 29 ? matrix.row(i) : std::vector<float>(kCols);
        for (int64_t r = 0; r < 5; ++r) {
          double sum = 0, magnitude = 0;
          for (int64_t k = 0; k < kCols; ++k) {
            const double term =
                double{weights[static_cast<size_t>(k)]} * result.input(r, k, takes_tiles);
            sum += term;
            magnitude += std::fabs(term);
          }
          CHECK(std::fabs(result.out[static_cast<size_t>(r * kProductWidth + i)] - sum) <=
                2e-6 * magnitude);
        }
      }
    }
  }
}

TEST(products_depend_neither_on_the_tile_nor_on_the_instruction_set) {
  for (const TensorType type : kTypes) {
    const TestMatrix matrix(type, 32, kCols, 4);
    for (const KernelTable* kernels : all_kernels()) {
      const ProductCase expected(twin_of(*kernels), matrix, 29, true);
      for (int n_rows = 1; n_rows <= 29; ++n_rows)
        for (const bool two_panels : {true, false}) {
          const ProductCase result(*kernels, matrix, n_rows, two_panels);
          for (int r = 0; r < n_rows; ++r)
            CHECK(std::memcmp(&result.out[static_cast<size_t>(r * kProductWidth)],
                              &expected.out[static_cast<size_t>(r * kProductWidth)],
                              sizeof(float) * (two_panels ? 32 : 16)) == 0);
        }
    }
  }
}

TEST(largest_codes_do_not_overflow) {
  TestMatrix matrix(TensorType::q8_0, 32, kCols, 5);
  for (size_t i = 0; i < matrix.bytes.size(); ++i)
    if (i % 34 >= 2) matrix.bytes[i] = std::byte{i % 3 == 0 ? uint8_t{0x80} : uint8_t{0x7F}};
  matrix.packed = Buffer(matrix.packed.size(), "test");
  const size_t stride = panel_bytes(TensorType::q8_0, kCols / kBlock);
  for (size_t p = 0; p < 2; ++p) {
    pack_panel(matrix.host, 0, static_cast<int64_t>(p), matrix.packed.data() + p * stride);
    matrix.panels[p] = matrix.packed.data() + p * stride;
  }
  for (const KernelTable* kernels : all_kernels())
    CHECK(same_bits(ProductCase(*kernels, matrix, 2 * kInputRows, true).out,
                    ProductCase(twin_of(*kernels), matrix, 2 * kInputRows, true).out));
}

TEST(quantisation_rounds_to_the_nearest_of_127_steps) {
  auto x = random_floats(4 * kBlock, 1);
  std::fill_n(&x[kBlock], kBlock, 0.0f);
  x[2 * kBlock + 3] = std::numeric_limits<float>::infinity();
  x[3 * kBlock + 30] = std::numeric_limits<float>::quiet_NaN();
  for (const KernelTable* kernels : supported_kernels("int8")) {
    constexpr int kRow = 3;
    QuantTile tiles[4] = {}, expected[4] = {};
    kernels->quantize(x.data(), 4, reinterpret_cast<std::byte*>(tiles), kRow);
    kScalarKernels.quantize(x.data(), 4, reinterpret_cast<std::byte*>(expected), kRow);
    for (int b = 0; b < 2; ++b)  // but for the correction, which depends on the kernels
      CHECK(std::memcmp(&tiles[b], &expected[b], offsetof(QuantTile, correction)) == 0);
    int sum = 0;
    for (int i = 0; i < kBlock; ++i) {
      const int q = tiles[0].q[kRow][i];
      CHECK(std::fabs(tiles[0].scale[kRow] * static_cast<float>(q) - x[static_cast<size_t>(i)]) <=
            0.501f * tiles[0].scale[kRow]);
      CHECK_EQ(int{tiles[1].q[kRow][i]}, 0);
      sum += q;
    }
    CHECK(sum != 0);
    CHECK_EQ(tiles[0].correction[kRow] % sum, 0);
    CHECK(tiles[0].correction[kRow] / sum <= 0);  // minus the offset
    CHECK_EQ(tiles[1].scale[kRow], 0.0f);
    CHECK(std::isnan(tiles[2].scale[kRow]) && std::isnan(tiles[3].scale[kRow]));
  }
}

TEST(rounding_to_bf16_is_to_the_nearest) {
  auto x = random_floats(4 * kBlock, 1);
  const float special[] = {1.0f + 0x1p-8f,  // ties to even
                           1.0f + 3 * 0x1p-8f,
                           -0.0f,
                           0x1.fp-61f,  // too small
                           -1e-38f,
                           0x1p-60f,
                           std::numeric_limits<float>::max(),
                           std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity()};
  std::copy(std::begin(special), std::end(special), x.begin() + 40);
  x[100] = std::numeric_limits<float>::quiet_NaN();
  for (const KernelTable* kernels : supported_kernels("bf16")) {
    constexpr int kRow = 3;
    const Buffer tiles(4 * kernels->tile_bytes, "test");
    kernels->quantize(x.data(), 4, tiles.data(), kRow);
    for (size_t i = 0; i < x.size(); ++i) {
      const std::byte* const tile = tiles.data() + i / kBlock * kernels->tile_bytes;
      uint32_t bits = 0;  // of the float
      if (kernels->tile_bytes == sizeof(Bf16Tile))
        bits = uint32_t{reinterpret_cast<const Bf16Tile*>(tile)->x[kRow][i % kBlock]} << 16;
      else
        std::memcpy(&bits, &reinterpret_cast<const Bf16FloatTile*>(tile)->x[kRow][i % kBlock], 4);
      if (i == 100)
        CHECK(std::isnan(std::bit_cast<float>(bits)));
      else
        CHECK_EQ(bits, std::fabs(x[i]) < 0x1p-60f ? 0 : uint32_t{quant::float_to_bf16(x[i])} << 16);
    }
  }
}

// Sums that cancel, and inputs over all orders of magnitude: where an instruction's own way of
// rounding would show.
TEST(bf16_sums_are_rounded_as_written_down) {
  for (const TensorType type : {TensorType::bf16, TensorType::q8_0, TensorType::mxfp4}) {
    TestMatrix matrix(type, 32, kCols, 6);
    if (type == TensorType::bf16) {  // of any exponent, subnormal ones too, but not infinite
      std::mt19937 random(5);
      for (size_t i = 0; i < matrix.bytes.size(); i += 2) {
        const auto bits = static_cast<uint16_t>(random() & 0xBFFF);
        std::memcpy(&matrix.bytes[i], &bits, 2);
      }
      for (int64_t p = 0; p < 2; ++p)
        pack_panel(matrix.host, 0, p,
                   const_cast<std::byte*>(matrix.panels[static_cast<size_t>(p)]));
    }
    const auto product = [&](const KernelTable& kernels, float scale) {
      std::mt19937 random(9);
      std::vector<float> x(static_cast<size_t>(kCols));
      for (size_t i = 0; i < x.size(); ++i)
        x[i] =
            std::ldexp(scale * (i % 3 == 2 ? -1.0f : 1.0f), static_cast<int>(random() % 40) - 20);
      Buffer tiles(kernels.tile_bytes * kCols / kBlock, "test");
      const Buffer scratch(kProductScratch, "test");
      std::vector<float> out(kInputRows * kProductWidth);
      kernels.quantize(x.data(), kCols / kBlock, tiles.data(), 0);
      multiply(kernels, type,
               {{matrix.panels[0], matrix.panels[1]},
                kCols / kBlock,
                1,
                tiles.data(),
                nullptr,
                out.data(),
                scratch.data()});
      out.resize(kProductWidth);
      return out;
    };
    for (const KernelTable* kernels : supported_kernels("bf16"))
      for (const float scale : {1.0f, 1e-12f, 1e-17f, 1e-24f, 1e24f})
        CHECK(same_bits(product(*kernels, scale), product(kScalarBf16Kernels, scale)));
  }
}

TEST(swiglu_is_the_clamped_one) {
  constexpr int kRows = 3;
  auto sums = random_floats(kRows * kProductWidth, 8, 6.0f);
  const auto gate_bias = random_floats(16, 9), up_bias = random_floats(16, 10);
  sums[0] = -200.0f, sums[1] = 200.0f, sums[18] = 200.0f, sums[19] = -200.0f;
  const auto activated = [&](const KernelTable& kernels) {
    auto out = sums;
    kernels.swiglu(out.data(), kRows, gate_bias.data(), up_bias.data());
    return out;
  };
  const auto expected = activated(kScalarKernels);
  for (size_t i = 0; i < kRows * 16; ++i) {
    const size_t at = i / 16 * kProductWidth + i % 16;
    const double g = std::min(sums[at] + gate_bias[i % 16], 7.0f);
    const double u = std::clamp(sums[at + 16] + up_bias[i % 16], -7.0f, 7.0f);
    CHECK(std::fabs(expected[at] - (u + 1) * g / (1 + std::exp(-1.702 * g))) <=
          2e-6 * (1 + std::fabs(u * g)));
  }
  for (const KernelTable* kernels : all_kernels()) CHECK(same_bits(activated(*kernels), expected));
  sums[kProductWidth + 5] = std::numeric_limits<float>::quiet_NaN();
  for (const KernelTable* kernels : all_kernels())
    CHECK(std::isnan(activated(*kernels)[kProductWidth + 5]));
}

TEST(norms_agree) {
  const auto x = random_floats(kCols, 11, 3.0f), weight = random_floats(kCols, 12);
  double squares = 0;
  for (const float value : x) squares += double{value} * value;
  std::vector<float> expected(kCols), y(kCols);
  kScalarKernels.rms_norm(x.data(), weight.data(), expected.data(), kCols, 1e-5f);
  for (size_t i = 0; i < kCols; ++i)
    CHECK(std::fabs(expected[i] - x[i] / std::sqrt(squares / kCols + 1e-5) * weight[i]) <=
          1e-6 * (1 + std::fabs(expected[i])));
  for (const KernelTable* kernels : all_kernels()) {
    kernels->rms_norm(x.data(), weight.data(), y.data(), kCols, 1e-5f);
    CHECK(same_bits(y, expected));
  }
}

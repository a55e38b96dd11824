// Decoders and the Q8_0 encoder against what the gguf package makes of the same bytes
// (tests/fixtures/codec).
#include "quant/codec.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "quant/blocks.h"
#include "testing.h"

namespace gptoss::quant {
namespace {

struct Vectors {
  size_t items;
  std::vector<char> first;   // the codec's input
  std::vector<char> second;  // its expected output
};

// Reads a file of make_codec_vectors.py whose first part has `first_bytes(items)` bytes.
template <class F>
Vectors read_vectors(const std::string& name, F first_bytes) {
  std::ifstream in(std::string(GPTOSS_FIXTURES "/codec/") + name + ".bin", std::ios::binary);
  CHECK(in.good());
  const std::vector<char> all((std::istreambuf_iterator<char>(in)), {});
  uint32_t header[2];
  CHECK(all.size() > sizeof header);
  std::memcpy(header, all.data(), sizeof header);
  const size_t items = size_t{header[0]} * header[1];
  const auto middle = all.begin() + sizeof header + static_cast<std::ptrdiff_t>(first_bytes(items));
  return {items, {all.begin() + sizeof header, middle}, {middle, all.end()}};
}

// Bit-equal, or NaN on both sides.
bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

void check_decoder(TensorType type) {
  const Vectors vectors =
      read_vectors(type_traits(type).name, [&](size_t n) { return row_bytes(type, n); });
  CHECK_EQ(vectors.second.size(), vectors.items * sizeof(float));
  // One byte off any alignment, as rows of a file may be.
  std::vector<char> unaligned(vectors.first.size() + 1);
  std::memcpy(unaligned.data() + 1, vectors.first.data(), vectors.first.size());
  std::vector<float> weights(vectors.items);
  dequantize_row(type, unaligned.data() + 1, weights.data(), vectors.items);
  for (size_t i = 0; i < vectors.items; ++i) {
    float expected;
    std::memcpy(&expected, vectors.second.data() + i * sizeof expected, sizeof expected);
    if (same(weights[i], expected)) continue;
    std::ostringstream message;
    message << type_traits(type).name << " weight " << i << ": " << weights[i] << ", expected "
            << expected;
    testing::fail(__FILE__, __LINE__, message.str());
  }
}

TEST(decode_f16) { check_decoder(TensorType::f16); }
TEST(decode_bf16) { check_decoder(TensorType::bf16); }
TEST(decode_q8_0) { check_decoder(TensorType::q8_0); }
TEST(decode_mxfp4) { check_decoder(TensorType::mxfp4); }
TEST(decode_q4_0) { check_decoder(TensorType::q4_0); }
TEST(decode_q4_1) { check_decoder(TensorType::q4_1); }
TEST(decode_q5_0) { check_decoder(TensorType::q5_0); }
TEST(decode_q5_1) { check_decoder(TensorType::q5_1); }
TEST(decode_iq4_nl) { check_decoder(TensorType::iq4_nl); }
TEST(decode_iq4_xs) { check_decoder(TensorType::iq4_xs); }
TEST(decode_q2_k) { check_decoder(TensorType::q2_k); }
TEST(decode_q3_k) { check_decoder(TensorType::q3_k); }
TEST(decode_q4_k) { check_decoder(TensorType::q4_k); }
TEST(decode_q5_k) { check_decoder(TensorType::q5_k); }
TEST(decode_q6_k) { check_decoder(TensorType::q6_k); }

TEST(decode_f32_copies_bits) {
  const uint32_t bits[] = {0, 0x80000000, 1, 0x7F800000, 0x7FA00001, 0x3F800000};
  float weights[6];
  dequantize_row(TensorType::f32, bits, weights, 6);
  CHECK(std::memcmp(bits, weights, sizeof bits) == 0);
}

// The pairs order is the ggml order with the nibbles moved: decode both from the same 32 codes.
TEST(mxfp4_pairs_is_mxfp4_reordered) {
  BlockMxfp4 ggml{.e = 130, .qs = {}};
  BlockMxfp4 pairs{.e = 130, .qs = {}};
  const auto code = [](int i) { return (i * 7 + i / 16) % 16; };
  for (int j = 0; j < 16; ++j) {
    ggml.qs[j] = static_cast<uint8_t>(code(j) | code(j + 16) << 4);
    pairs.qs[j] = static_cast<uint8_t>(code(2 * j) | code(2 * j + 1) << 4);
  }
  float a[32];
  float b[32];
  dequantize_row(TensorType::mxfp4, &ggml, a, 32);
  dequantize_row(TensorType::mxfp4_pairs, &pairs, b, 32);
  CHECK(std::memcmp(a, b, sizeof a) == 0);
  CHECK_EQ(a[1], 4.0F * 12.0F);  // code 7
}

TEST(mxfp4_scale_extremes) {
  const auto one = [](uint8_t e) {
    const BlockMxfp4 block{.e = e, .qs = {1}};
    float weights[32];
    dequantize_row(TensorType::mxfp4, &block, weights, 32);
    return weights[0];
  };
  CHECK_EQ(one(0), 0x1p-128F);
  CHECK_EQ(one(1), 0x1p-127F);
  CHECK_EQ(one(2), 0x1p-126F);
  CHECK_EQ(one(254), 0x1p126F);
  CHECK_EQ(one(255), 0x1p127F);
}

TEST(encode_q8_0) {
  const Vectors vectors = read_vectors("Q8_0_quantize", [](size_t n) { return n * sizeof(float); });
  std::vector<float> weights(vectors.items);
  std::memcpy(weights.data(), vectors.first.data(), vectors.first.size());
  std::vector<char> blocks(row_bytes(TensorType::q8_0, vectors.items));
  quantize_row_q8_0(weights.data(), blocks.data(), vectors.items);
  CHECK(blocks == vectors.second);
}

TEST(encode_q8_0_not_finite) {
  float weights[32] = {1.0F, -2.0F};
  const auto scale = [&] {
    BlockQ8_0 block;
    quantize_row_q8_0(weights, &block, 32);
    return half_to_float(block.d);
  };
  weights[7] = INFINITY;
  CHECK(std::isinf(scale()));
  weights[3] = NAN;
  CHECK(std::isnan(scale()));
}

TEST(traits) {
  CHECK(find_type_traits(39) != nullptr);
  CHECK_EQ(std::string(find_type_traits(39)->name), "MXFP4");
  CHECK_EQ(row_bytes(TensorType::mxfp4, 2880), 1530U);
  for (const uint32_t unknown : {5U, 9U, 15U, 16U, 31U, 40U, 99U, UINT32_MAX}) {
    CHECK(find_type_traits(unknown) == nullptr);
  }
}

}  // namespace
}  // namespace gptoss::quant

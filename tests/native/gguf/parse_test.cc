// The parser of one file in memory: what it reads, and every kind of damage it must name.
#include <gptoss/error.h>

#include "gguf/part.h"
#include "gguf_builder.h"
#include "testing.h"

namespace gptoss::gguf {
namespace {

using testing::GgufBuilder;
using testing::sample_gguf;
using Data = std::vector<std::byte>;

Part parse(const Data& data) { return parse_part(data, "m.gguf", 0); }
Part parse(const GgufBuilder& builder) {
  static Data data;  // the part points into it until the next call
  data = builder.build();
  return parse(data);
}

template <class T>
const T& get(const Part& part, std::string_view key) {
  const auto it = part.metadata.find(key);
  CHECK(it != part.metadata.end());
  CHECK(std::holds_alternative<T>(it->second));
  return std::get<T>(it->second);
}

TEST(scalars_are_widened) {
  const Part part = parse(sample_gguf());
  CHECK_EQ(part.metadata.size(), 18U);
  CHECK_EQ(get<std::string_view>(part, "general.architecture"), "gpt-oss");
  CHECK_EQ(get<uint64_t>(part, "gpt-oss.block_count"), 2U);
  CHECK_EQ(get<uint64_t>(part, "u8"), 200U);
  CHECK_EQ(get<uint64_t>(part, "u16"), 60000U);
  CHECK_EQ(get<uint64_t>(part, "u64"), uint64_t{1} << 63);
  CHECK_EQ(get<int64_t>(part, "i8"), -3);
  CHECK_EQ(get<int64_t>(part, "i16"), -30000);
  CHECK_EQ(get<int64_t>(part, "i32"), -7);
  CHECK_EQ(get<int64_t>(part, "i64"), INT64_MIN);
  CHECK_EQ(get<double>(part, "f32"), static_cast<double>(1e-5F));
  CHECK_EQ(get<double>(part, "f64"), 0.1);
  CHECK_EQ(get<bool>(part, "bool"), true);
}

TEST(arrays_are_widened) {
  const Part part = parse(sample_gguf());
  CHECK((get<std::vector<std::string_view>>(part, "tokens") ==
         std::vector<std::string_view>{"a", "", "<|end|>"}));
  CHECK((get<std::vector<int64_t>>(part, "types") == std::vector<int64_t>{1, -1, 3}));
  CHECK((get<std::vector<uint64_t>>(part, "bytes") == std::vector<uint64_t>{7, 255}));
  CHECK((get<std::vector<double>>(part, "scores") == std::vector<double>{0.5, -2.0}));
  CHECK((get<std::vector<bool>>(part, "flags") == std::vector<bool>{true, false, true}));
  CHECK(get<std::vector<uint64_t>>(part, "none").empty());
}

// One item of each number type, its largest or smallest value.
TEST(array_of_every_number_type) {
  GgufBuilder b;
  b.array("u8", GgufBuilder::kU8, 1).put<uint8_t>(UINT8_MAX);
  b.array("u16", GgufBuilder::kU16, 1).put<uint16_t>(UINT16_MAX);
  b.array("u32", GgufBuilder::kU32, 1).put<uint32_t>(UINT32_MAX);
  b.array("u64", GgufBuilder::kU64, 1).put<uint64_t>(UINT64_MAX);
  b.array("i8", GgufBuilder::kI8, 1).put<int8_t>(INT8_MIN);
  b.array("i16", GgufBuilder::kI16, 1).put<int16_t>(INT16_MIN);
  b.array("i32", GgufBuilder::kI32, 1).put<int32_t>(INT32_MIN);
  b.array("i64", GgufBuilder::kI64, 1).put<int64_t>(INT64_MIN);
  b.array("f64", GgufBuilder::kF64, 1).put<double>(0.1);
  const Part part = parse(b);
  const auto item = [&]<class T>(std::string_view key, T) {
    return get<std::vector<T>>(part, key).at(0);
  };
  CHECK_EQ(item("u8", uint64_t{}), 255U);
  CHECK_EQ(item("u16", uint64_t{}), 65535U);
  CHECK_EQ(item("u32", uint64_t{}), UINT32_MAX);
  CHECK_EQ(item("u64", uint64_t{}), UINT64_MAX);
  CHECK_EQ(item("i8", int64_t{}), INT8_MIN);
  CHECK_EQ(item("i16", int64_t{}), INT16_MIN);
  CHECK_EQ(item("i32", int64_t{}), INT32_MIN);
  CHECK_EQ(item("i64", int64_t{}), INT64_MIN);
  CHECK_EQ(item("f64", double{}), 0.1);
}

TEST(tensors_point_at_their_data) {
  const Part part = parse(sample_gguf());
  CHECK_EQ(part.tensors.size(), 3U);
  const Tensor& experts = part.tensors[1];
  CHECK_EQ(experts.name, "blk.0.ffn_gate_exps.weight");
  CHECK((experts.shape == std::vector<uint64_t>{64, 3, 2}));
  CHECK_EQ(experts.type_id, 39U);
  CHECK_EQ(experts.data.size(), 64U * 3 * 2 / 32 * 17);
  CHECK_EQ(experts.offset % 32, 0U);
  // 136 bytes of token_embd, padded to 160.
  CHECK_EQ(std::to_integer<int>(experts.data[0]), 160);
}

TEST(version_2_reads_alike) {
  GgufBuilder b = sample_gguf();
  b.version = 2;
  CHECK_EQ(parse(b).tensors.size(), 3U);
}

TEST(other_versions_say_what_they_are) {
  GgufBuilder b = sample_gguf();
  b.version = 1;
  CHECK_THROWS(ModelFileError, parse(b), "version 1 is not supported");
  b.version = 0x03000000;
  CHECK_THROWS(ModelFileError, parse(b), "big-endian");
  b.version = 4;
  CHECK_THROWS(ModelFileError, parse(b), "version 4 is unknown");
  b.version = 0;
  CHECK_THROWS(ModelFileError, parse(b), "version 0 is unknown");
}

TEST(other_files_say_what_they_are) {
  const auto parse_text = [](std::string_view text) {
    return parse(testing::Bytes().raw(text).data);
  };
  CHECK_THROWS(ModelFileError, parse_text("version https://git-lfs.github.com/spec/v1\n"),
               "Git LFS pointer");
  CHECK_THROWS(ModelFileError, parse_text("<!DOCTYPE html>"), "a web page");
  CHECK_THROWS(ModelFileError, parse_text("tjgg\x03"), "old GGML file");
  CHECK_THROWS(ModelFileError, parse_text("FUGG"), "big-endian GGUF file");
  CHECK_THROWS(ModelFileError, parse_text("PK\x03\x04"), "archive");
  CHECK_THROWS(ModelFileError, parse_text("12345678{\"a\""), "safetensors");
  CHECK_THROWS(ModelFileError, parse_text("GGU"), "m.gguf: is not a GGUF file");
  CHECK_THROWS(ModelFileError, parse_text("GGUF"), "cut off or damaged");
}

TEST(counts_are_limited) {
  GgufBuilder b = sample_gguf();
  b.n_keys = UINT64_MAX;
  CHECK_THROWS(ModelFileError, parse(b), "key count is 18446744073709551615");
  b = sample_gguf();
  b.n_tensors = uint64_t{1} << 40;
  CHECK_THROWS(ModelFileError, parse(b), "tensor count is");
  b = sample_gguf();
  b.array("big", GgufBuilder::kString, uint64_t{1} << 60);
  CHECK_THROWS(ModelFileError, parse(b), "key 'big'");
  b = sample_gguf();
  b.array("big", GgufBuilder::kU64, (uint64_t{1} << 61) + 1);  // times 8 overflows to 8
  CHECK_THROWS(ModelFileError, parse(b), "exceeds the limit");
  b = sample_gguf();
  b.array("big", GgufBuilder::kU64, 1000000);
  CHECK_THROWS(ModelFileError, parse(b), "array needs 8000000 bytes");
}

TEST(array_limit_counts_all_arrays) {
  GgufBuilder b;
  for (const char* key : {"a", "b", "c"}) {
    b.array(key, GgufBuilder::kBool, 6'000'000).data.resize(b.metadata.data.size() + 6'000'000);
  }
  CHECK_THROWS(ModelFileError, parse(b), "16777216 items a file");
}

TEST(bad_metadata) {
  GgufBuilder b;
  b.u32("a", 1).u32("a", 2);
  CHECK_THROWS(ModelFileError, parse(b), "key 'a': occurs twice");
  b = {};
  b.u32("", 1);
  CHECK_THROWS(ModelFileError, parse(b), "key is 0 bytes long");
  b = {};
  b.u32(std::string(65536, 'k'), 1);
  CHECK_THROWS(ModelFileError, parse(b), "key is 65536 bytes long");
  b = {};
  b.key("k", 13);
  CHECK_THROWS(ModelFileError, parse(b), "unknown value type 13");
  b = {};
  b.array("k", 13, 0);
  CHECK_THROWS(ModelFileError, parse(b), "unknown array item type 13");
  b = {};
  b.array("k", GgufBuilder::kArray, 1).put<uint32_t>(GgufBuilder::kArray);
  CHECK_THROWS(ModelFileError, parse(b), "array of arrays");
  b = {};
  b.key("k", GgufBuilder::kBool).put<uint8_t>(2);
  CHECK_THROWS(ModelFileError, parse(b), "a bool holds 2");
  b = {};
  b.array("k", GgufBuilder::kBool, 2).put<uint8_t>(1).put<uint8_t>(77);
  CHECK_THROWS(ModelFileError, parse(b), "a bool holds 77");
  b = {};
  b.key("k\n\xff", GgufBuilder::kString).put<uint64_t>(UINT64_MAX);
  CHECK_THROWS(ModelFileError, parse(b),
               "key 'k\\x0a\\xff': value needs 18446744073709551615 bytes");
}

TEST(alignment) {
  for (const uint32_t bad : {0U, 1U, 4U, 24U, 1U << 17}) {
    GgufBuilder b = sample_gguf();
    b.u32("general.alignment", bad);
    CHECK_THROWS(ModelFileError, parse(b), "'general.alignment'");
  }
  GgufBuilder b;
  b.text("general.alignment", "32");
  CHECK_THROWS(ModelFileError, parse(b), "must be an integer");
  b = {};
  b.alignment = 64;
  b.u32("general.alignment", 64)
      .tensor("a", {3}, quant::TensorType::f32)
      .tensor("b", {1}, quant::TensorType::f32);
  const Part part = parse(b);
  CHECK_EQ(part.tensors[1].offset - part.tensors[0].offset, 64U);
}

TEST(bad_tensor_names) {
  GgufBuilder b;
  b.tensor("", {1}, quant::TensorType::f32);
  CHECK_THROWS(ModelFileError, parse(b), "tensor name is 0 bytes long");
  b = {};
  b.tensor(std::string(65, 't'), {1}, quant::TensorType::f32);
  CHECK_THROWS(ModelFileError, parse(b), "tensor name is 65 bytes long");
  b = {};
  b.tensor("a", {1}, quant::TensorType::f32).tensor("a", {1}, quant::TensorType::f32);
  CHECK_THROWS(ModelFileError, parse(b), "tensor 'a': occurs twice");
}

TEST(bad_shapes) {
  const auto parse_shape = [](const std::vector<uint64_t>& shape, uint32_t type) {
    GgufBuilder b;
    b.entry("t", shape, type, 0);
    b.data_size = 4096;
    return parse(b);
  };
  CHECK_THROWS(ModelFileError, parse_shape({}, 0), "has 0 dimensions");
  CHECK_THROWS(ModelFileError, parse_shape({1, 1, 1, 1, 1}, 0), "has 5 dimensions");
  CHECK_THROWS(ModelFileError, parse_shape({4, 0}, 0), "dimension of zero");
  CHECK_THROWS(ModelFileError, parse_shape({33, 32}, 39),
               "rows of 33 items are no whole blocks of 32");
  CHECK_THROWS(ModelFileError, parse_shape({2880}, 14), "as type Q6_K needs");
  CHECK_THROWS(ModelFileError, parse_shape({uint64_t{1} << 32, uint64_t{1} << 32}, 0),
               "item count overflows");
  CHECK_THROWS(ModelFileError, parse_shape({uint64_t{1} << 62, 1}, 0), "byte count overflows");
  CHECK_THROWS(ModelFileError, parse_shape({uint64_t{1} << 62, 4}, 99), "item count overflows");
  CHECK_THROWS(ModelFileError, parse_shape({4096}, 0), "cut off");
  CHECK_EQ(parse_shape({1024}, 0).tensors[0].data.size(), 4096U);
}

TEST(bad_offsets) {
  GgufBuilder b;
  b.entry("t", {8}, 0, 8).data_size = 64;
  CHECK_THROWS(ModelFileError, parse(b), "offset 8 is no multiple of the alignment 32");
  b = {};
  b.entry("t", {8}, 0, UINT64_MAX - 31).data_size = 64;
  CHECK_THROWS(ModelFileError, parse(b), "offset overflows");
  b = {};
  b.entry("t", {8}, 0, UINT64_MAX / 64 * 32).data_size = 64;
  CHECK_THROWS(ModelFileError, parse(b), "cut off");
  b = {};
  b.entry("a", {16}, 0, 0).entry("b", {8}, 0, 32).data_size = 64;
  CHECK_THROWS(ModelFileError, parse(b), "overlaps that of tensor 'a'");
}

TEST(unknown_type_stays_in_the_table) {
  GgufBuilder b;
  b.entry("t", {7, 3}, 99, 0).entry("u", {8}, 0, 0).data_size = 32;
  const Part part = parse(b);
  CHECK_EQ(part.tensors[0].type_id, 99U);
  CHECK(part.tensors[0].data.empty());
  CHECK_EQ(part.tensors[1].data.size(), 32U);
}

TEST(half_a_download_says_how_much_is_missing) {
  Data data = sample_gguf().build();
  const size_t whole = data.size();
  data.resize(whole - 20);
  // The last tensor has 20 bytes, padded to 32.
  CHECK_THROWS(ModelFileError, parse(data),
               "expected at least " + std::to_string(whole - 12) + " bytes");
  CHECK_THROWS(ModelFileError, parse(data), "file has " + std::to_string(whole - 20) + " bytes");
  CHECK_THROWS(ModelFileError, parse(data), "download it again");
}

TEST(empty_file_without_tensors) {
  GgufBuilder b;
  CHECK(parse(b).tensors.empty());
}

}  // namespace
}  // namespace gptoss::gguf

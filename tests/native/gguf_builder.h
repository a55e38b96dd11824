// Builds small GGUF files in memory, byte by byte, right or deliberately wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "quant/tensor_type.h"

namespace gptoss::testing {

// Little-endian bytes.
class Bytes {
 public:
  template <class T>
  Bytes& put(T value) {
    return append(&value, sizeof value);
  }
  Bytes& string(std::string_view text) {
    put<uint64_t>(text.size());
    return raw(text);
  }
  Bytes& raw(std::string_view text) { return append(text.data(), text.size()); }
  Bytes& raw(const Bytes& other) { return append(other.data.data(), other.data.size()); }
  void pad(size_t alignment) { data.resize((data.size() + alignment - 1) / alignment * alignment); }

  std::vector<std::byte> data;

 private:
  Bytes& append(const void* src, size_t n) {
    const size_t at = data.size();
    data.resize(at + n);
    if (n > 0) std::memcpy(data.data() + at, src, n);
    return *this;
  }
};

struct GgufBuilder {
  // GGUF's value type ids.
  enum : uint32_t {
    kU8,
    kI8,
    kU16,
    kI16,
    kU32,
    kI32,
    kF32,
    kBool,
    kString,
    kArray,
    kU64,
    kI64,
    kF64
  };

  uint32_t version = 3;
  size_t alignment = 32;
  uint64_t n_keys = 0;
  uint64_t n_tensors = 0;
  uint64_t data_size = 0;
  Bytes metadata;
  Bytes table;

  // A key whose value bytes the caller appends to the result.
  Bytes& key(std::string_view name, uint32_t type) {
    ++n_keys;
    return metadata.string(name).put(type);
  }
  GgufBuilder& u32(std::string_view name, uint32_t value) {
    key(name, kU32).put(value);
    return *this;
  }
  GgufBuilder& text(std::string_view name, std::string_view value) {
    key(name, kString).string(value);
    return *this;
  }
  Bytes& array(std::string_view name, uint32_t item_type, uint64_t count) {
    return key(name, kArray).put(item_type).put(count);
  }
  // An entry of the tensor table as it stands; reserves no data.
  GgufBuilder& entry(std::string_view name, const std::vector<uint64_t>& shape, uint32_t type,
                     uint64_t offset) {
    ++n_tensors;
    table.string(name).put(static_cast<uint32_t>(shape.size()));
    for (const uint64_t dim : shape) table.put(dim);
    table.put(type).put(offset);
    return *this;
  }
  // A well-formed tensor behind those before it.
  GgufBuilder& tensor(std::string_view name, const std::vector<uint64_t>& shape,
                      quant::TensorType type) {
    entry(name, shape, static_cast<uint32_t>(type), data_size);
    uint64_t items = 1;
    for (const uint64_t dim : shape) items *= dim;
    const uint64_t end = data_size + quant::row_bytes(type, items);
    data_size = (end + alignment - 1) / alignment * alignment;
    return *this;
  }
  // The whole file; data byte i is i modulo 251.
  std::vector<std::byte> build() const {
    Bytes file;
    file.raw("GGUF").put(version).put(n_tensors).put(n_keys);
    file.raw(metadata).raw(table);
    file.pad(alignment);
    for (uint64_t i = 0; i < data_size; ++i) file.put(static_cast<uint8_t>(i % 251));
    return file.data;
  }
};

// A valid file with every value type, several tensor types and a key after each kind of array.
inline GgufBuilder sample_gguf() {
  GgufBuilder b;
  b.text("general.architecture", "gpt-oss").u32("gpt-oss.block_count", 2);
  b.key("u8", GgufBuilder::kU8).put<uint8_t>(200);
  b.key("i8", GgufBuilder::kI8).put<int8_t>(-3);
  b.key("u16", GgufBuilder::kU16).put<uint16_t>(60000);
  b.key("i16", GgufBuilder::kI16).put<int16_t>(-30000);
  b.key("i32", GgufBuilder::kI32).put<int32_t>(-7);
  b.key("u64", GgufBuilder::kU64).put<uint64_t>(uint64_t{1} << 63);
  b.key("i64", GgufBuilder::kI64).put<int64_t>(INT64_MIN);
  b.key("f32", GgufBuilder::kF32).put(1e-5F);
  b.key("f64", GgufBuilder::kF64).put(0.1);
  b.key("bool", GgufBuilder::kBool).put<uint8_t>(1);
  b.array("tokens", GgufBuilder::kString, 3).string("a").string("").string("<|end|>");
  b.array("types", GgufBuilder::kI32, 3).put<int32_t>(1).put<int32_t>(-1).put<int32_t>(3);
  b.array("bytes", GgufBuilder::kU8, 2).put<uint8_t>(7).put<uint8_t>(255);
  b.array("scores", GgufBuilder::kF32, 2).put(0.5F).put(-2.0F);
  b.array("flags", GgufBuilder::kBool, 3).put<uint8_t>(1).put<uint8_t>(0).put<uint8_t>(1);
  b.array("none", GgufBuilder::kU32, 0);
  b.tensor("token_embd.weight", {32, 4}, quant::TensorType::q8_0);
  b.tensor("blk.0.ffn_gate_exps.weight", {64, 3, 2}, quant::TensorType::mxfp4);
  b.tensor("blk.0.attn_norm.weight", {5}, quant::TensorType::f32);
  return b;
}

}  // namespace gptoss::testing

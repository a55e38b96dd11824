#include "gguf/metadata.h"

#include <string>
#include <utility>

#include <gptoss/error.h>

namespace gptoss::gguf {
namespace {

enum class ValueType : uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

// Far above any gpt-oss file (about 900 thousand), far below what a damaged count could ask for.
constexpr uint64_t kMaxArrayItems = uint64_t{1} << 24;
constexpr uint64_t kMaxKeyBytes = 65535;  // GGUF's own limit

bool to_bool(const Cursor& cursor, uint8_t byte) {
  if (byte > 1)
    cursor.fail("a bool holds " + std::to_string(byte) + ", not 0 or 1; the file is damaged");
  return byte == 1;
}

// Array of `count` file numbers of type From, widened to To.
template <class From, class To>
std::vector<To> read_numbers(Cursor& cursor, uint64_t count) {
  const std::byte* src = cursor.take(count * sizeof(From), "array");
  std::vector<To> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    From value;
    std::memcpy(&value, src + i * sizeof(From), sizeof(From));
    values[i] = static_cast<To>(value);
  }
  return values;
}

std::vector<bool> read_bools(Cursor& cursor, uint64_t count) {
  const std::byte* src = cursor.take(count, "array");
  std::vector<bool> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = to_bool(cursor, static_cast<uint8_t>(src[i]));
  return values;
}

std::vector<std::string_view> read_strings(Cursor& cursor, uint64_t count) {
  if (count > cursor.remaining() / sizeof(uint64_t)) {
    cursor.fail("an array of " + std::to_string(count) +
                " strings does not fit into the rest of the file (" +
                std::to_string(cursor.remaining()) +
                " bytes); it is cut off or damaged: download it again");
  }
  std::vector<std::string_view> values;
  values.reserve(static_cast<size_t>(count));
  for (uint64_t i = 0; i < count; ++i) values.push_back(cursor.read_string("string in an array"));
  return values;
}

[[noreturn]] void fail_type(const Cursor& cursor, uint32_t type, const char* where) {
  cursor.fail("unknown " + std::string(where) + " type " + std::to_string(type) +
              "; the file is damaged");
}

Value read_array(Cursor& cursor, uint64_t& array_items) {
  const auto type = cursor.read<uint32_t>("array type");
  const auto count = cursor.read<uint64_t>("array length");
  if (count > kMaxArrayItems || array_items + count > kMaxArrayItems) {
    cursor.fail("an array of " + std::to_string(count) + " items exceeds the limit of " +
                std::to_string(kMaxArrayItems) + " items a file; the file is damaged");
  }
  array_items += count;
  switch (ValueType{type}) {
    case ValueType::u8:
      return read_numbers<uint8_t, uint64_t>(cursor, count);
    case ValueType::u16:
      return read_numbers<uint16_t, uint64_t>(cursor, count);
    case ValueType::u32:
      return read_numbers<uint32_t, uint64_t>(cursor, count);
    case ValueType::u64:
      return read_numbers<uint64_t, uint64_t>(cursor, count);
    case ValueType::i8:
      return read_numbers<int8_t, int64_t>(cursor, count);
    case ValueType::i16:
      return read_numbers<int16_t, int64_t>(cursor, count);
    case ValueType::i32:
      return read_numbers<int32_t, int64_t>(cursor, count);
    case ValueType::i64:
      return read_numbers<int64_t, int64_t>(cursor, count);
    case ValueType::f32:
      return read_numbers<float, double>(cursor, count);
    case ValueType::f64:
      return read_numbers<double, double>(cursor, count);
    case ValueType::boolean:
      return read_bools(cursor, count);
    case ValueType::string:
      return read_strings(cursor, count);
    case ValueType::array:
      cursor.fail("an array of arrays; no gpt-oss file has one, and it is not supported");
  }
  fail_type(cursor, type, "array item");
}

Value read_value(Cursor& cursor, uint64_t& array_items) {
  const auto type = cursor.read<uint32_t>("value type");
  switch (ValueType{type}) {
    case ValueType::u8:
      return uint64_t{cursor.read<uint8_t>("value")};
    case ValueType::u16:
      return uint64_t{cursor.read<uint16_t>("value")};
    case ValueType::u32:
      return uint64_t{cursor.read<uint32_t>("value")};
    case ValueType::u64:
      return cursor.read<uint64_t>("value");
    case ValueType::i8:
      return int64_t{cursor.read<int8_t>("value")};
    case ValueType::i16:
      return int64_t{cursor.read<int16_t>("value")};
    case ValueType::i32:
      return int64_t{cursor.read<int32_t>("value")};
    case ValueType::i64:
      return cursor.read<int64_t>("value");
    case ValueType::f32:
      return double{cursor.read<float>("value")};
    case ValueType::f64:
      return cursor.read<double>("value");
    case ValueType::boolean:
      return to_bool(cursor, cursor.read<uint8_t>("value"));
    case ValueType::string:
      return cursor.read_string("value");
    case ValueType::array:
      return read_array(cursor, array_items);
  }
  fail_type(cursor, type, "value");
}

}  // namespace

Metadata read_metadata(Cursor& cursor, uint64_t n_keys) {
  Metadata metadata;
  uint64_t array_items = 0;
  for (uint64_t i = 0; i < n_keys; ++i) {
    cursor.set_item("metadata", {});
    const std::string_view key = cursor.read_string("key", 1, kMaxKeyBytes);
    cursor.set_item("key", key);
    if (metadata.contains(key)) cursor.fail("occurs twice; the file is damaged");
    Value value = read_value(cursor, array_items);
    metadata.emplace(key, std::move(value));
  }
  return metadata;
}

std::optional<uint64_t> find_uint(const Metadata& metadata, std::string_view key,
                                  const std::string& file) {
  const auto it = metadata.find(key);
  if (it == metadata.end()) return std::nullopt;
  if (const auto* value = std::get_if<uint64_t>(&it->second)) return *value;
  const auto* value = std::get_if<int64_t>(&it->second);
  if (value != nullptr && *value >= 0) return static_cast<uint64_t>(*value);
  throw ModelFileError(file + ": key " + quoted(key) + ": must be an integer that is not negative");
}

}  // namespace gptoss::gguf

#include "gguf/tensor_table.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <gptoss/error.h>

#include "quant/tensor_type.h"

namespace gptoss::gguf {
namespace {

constexpr uint64_t kMaxNameBytes = 64;  // GGUF's own limits
constexpr uint32_t kMaxDims = 4;

std::vector<uint64_t> read_shape(Cursor& cursor) {
  const auto n_dims = cursor.read<uint32_t>("dimension count");
  if (n_dims < 1 || n_dims > kMaxDims) {
    cursor.fail("has " + std::to_string(n_dims) +
                " dimensions, allowed are 1 to 4; the file is damaged");
  }
  std::vector<uint64_t> shape(n_dims);
  for (uint64_t& dim : shape) {
    dim = cursor.read<uint64_t>("dimension");
    if (dim == 0) cursor.fail("has a dimension of zero; the file is damaged");
  }
  return shape;
}

// Bytes of a tensor; 0 when its type is unknown. The item count must fit into 63 bits whatever the
// type is.
uint64_t count_bytes(const Cursor& cursor, const std::vector<uint64_t>& shape, uint32_t type_id) {
  uint64_t items = 1;
  for (const uint64_t dim : shape) {
    if (__builtin_mul_overflow(items, dim, &items) || items > INT64_MAX) {
      cursor.fail("its item count overflows; the file is damaged");
    }
  }
  const quant::TypeTraits* traits = quant::find_type_traits(type_id);
  if (traits == nullptr) return 0;
  if (shape[0] % traits->block_items != 0) {
    cursor.fail("rows of " + std::to_string(shape[0]) + " items are no whole blocks of " +
                std::to_string(traits->block_items) + ", as type " + traits->name +
                " needs; the file is damaged");
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(items / traits->block_items, uint64_t{traits->block_bytes}, &bytes) ||
      bytes > INT64_MAX) {
    cursor.fail("its byte count overflows; the file is damaged");
  }
  return bytes;
}

[[noreturn]] void fail(const std::string& file, const Tensor& tensor, const std::string& message) {
  throw ModelFileError(file + ": tensor " + quoted(tensor.name) + ": " + message);
}

// Makes the entry's offset absolute; returns the end of its data.
uint64_t locate(TableEntry& entry, uint64_t data_start, uint64_t alignment,
                const std::string& file) {
  uint64_t& offset = entry.tensor.offset;
  if (offset % alignment != 0) {
    fail(file, entry.tensor,
         "offset " + std::to_string(offset) + " is no multiple of the alignment " +
             std::to_string(alignment) + "; the file is damaged");
  }
  uint64_t end = 0;
  if (__builtin_add_overflow(data_start, offset, &offset) ||
      __builtin_add_overflow(offset, entry.n_bytes, &end)) {
    fail(file, entry.tensor, "offset overflows; the file is damaged");
  }
  return end;
}

void check_overlap(const std::vector<Tensor>& tensors, const std::string& file) {
  std::vector<const Tensor*> by_offset;
  by_offset.reserve(tensors.size());
  for (const Tensor& tensor : tensors) {
    if (!tensor.data.empty()) by_offset.push_back(&tensor);
  }
  std::ranges::sort(by_offset, {}, &Tensor::offset);
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const Tensor& previous = *by_offset[i - 1];
    const Tensor& tensor = *by_offset[i];
    if (tensor.offset < previous.offset + previous.data.size()) {
      fail(file, tensor,
           "data at byte " + std::to_string(tensor.offset) + " overlaps that of tensor " +
               quoted(previous.name) + "; the file is damaged");
    }
  }
}

}  // namespace

std::vector<TableEntry> read_tensor_table(Cursor& cursor, uint64_t n_tensors, uint32_t file_index) {
  std::vector<TableEntry> table;
  std::unordered_set<std::string_view> names;
  for (uint64_t i = 0; i < n_tensors; ++i) {
    cursor.set_item("tensor table", {});
    const std::string_view name = cursor.read_string("tensor name", 1, kMaxNameBytes);
    cursor.set_item("tensor", name);
    if (!names.insert(name).second) cursor.fail("occurs twice; the file is damaged");
    std::vector<uint64_t> shape = read_shape(cursor);
    const auto type_id = cursor.read<uint32_t>("type");
    const auto offset = cursor.read<uint64_t>("offset");
    const uint64_t n_bytes = count_bytes(cursor, shape, type_id);
    table.push_back({Tensor{name, type_id, std::move(shape), offset, file_index, {}}, n_bytes});
  }
  return table;
}

std::vector<Tensor> place_tensors(std::vector<TableEntry> table, std::span<const std::byte> bytes,
                                  uint64_t data_start, uint64_t alignment,
                                  const std::string& file) {
  uint64_t file_end = 0;
  const TableEntry* last = nullptr;
  for (TableEntry& entry : table) {
    const uint64_t end = locate(entry, data_start, alignment, file);
    if (end > file_end) {
      file_end = end;
      last = &entry;
    }
  }
  // The usual half-finished download.
  if (file_end > bytes.size()) {
    fail(file, last->tensor,
         "ends at byte " + std::to_string(file_end) + " but the file has " +
             std::to_string(bytes.size()) + " bytes; it is cut off (expected at least " +
             std::to_string(file_end) + " bytes): download it again");
  }
  std::vector<Tensor> tensors;
  tensors.reserve(table.size());
  for (TableEntry& entry : table) {
    entry.tensor.data =
        bytes.subspan(static_cast<size_t>(entry.tensor.offset), static_cast<size_t>(entry.n_bytes));
    tensors.push_back(std::move(entry.tensor));
  }
  check_overlap(tensors, file);
  return tensors;
}

}  // namespace gptoss::gguf

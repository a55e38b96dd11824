// Read-only view of a GGUF model file (or of all parts of a split one): header, metadata, tensor
// table, mapped data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "quant/tensor_type.h"

namespace gptoss::gguf {

// A metadata value. Integers of every width are widened; arrays are homogeneous. String views point
// into the mapping.
using Value = std::variant<bool, uint64_t, int64_t, double, std::string_view, std::vector<bool>,
                           std::vector<uint64_t>, std::vector<int64_t>, std::vector<double>,
                           std::vector<std::string_view>>;

struct Tensor {
  std::string_view name;
  uint32_t type_id;                 // GGUF type id; may be one that find_type_traits does not know
  std::vector<uint64_t> shape;      // ggml order: shape[0] is the contiguous dimension (columns)
  uint64_t offset;                  // of the first byte, from the start of its file
  uint32_t file;                    // index into GgufFile::paths()
  std::span<const std::byte> data;  // mapped, 8-byte aligned; empty when the type is unknown
};

class GgufFile {
 public:
  // Maps and validates the file. For a part of a split model ("-00001-of-00003.gguf") every part is
  // opened. Every length, count and offset is checked before use. Throws ModelFileError naming file
  // and offset.
  static GgufFile open(const std::string& path);

  GgufFile(GgufFile&&) noexcept;
  GgufFile& operator=(GgufFile&&) noexcept;
  ~GgufFile();

  const std::vector<std::string>& paths() const;              // one per part
  const std::map<std::string_view, Value>& metadata() const;  // of the first part
  const std::vector<Tensor>& tensors() const;                 // of all parts, in file order
  const Tensor* find(std::string_view name) const;            // nullptr when absent

 private:
  struct Impl;
  explicit GgufFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gptoss::gguf

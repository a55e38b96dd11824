// What a model file says about itself, for `gptoss info` and for building the tokenizer. Reads no
// tensor data.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gptoss {

class ModelFile {
 public:
  // Integers of every width are widened; string views live as long as the ModelFile.
  using Value = std::variant<bool, uint64_t, int64_t, double, std::string_view, std::vector<bool>,
                             std::vector<uint64_t>, std::vector<int64_t>, std::vector<double>,
                             std::vector<std::string_view>>;
  struct TensorInfo {
    std::string name;
    std::string type;             // e.g. "Q8_0"; "type 99" for one this engine does not know
    std::vector<uint64_t> shape;  // ggml order: shape[0] is the contiguous dimension
    uint64_t n_bytes;             // 0 when the type is unknown
    uint64_t offset;              // from the start of its file
    uint32_t file;                // index into paths()
  };

  // Throws ModelFileError.
  explicit ModelFile(const std::string& path);
  ~ModelFile();

  const std::vector<std::string>& paths() const;
  std::vector<std::pair<std::string_view, Value>> metadata() const;  // sorted by key
  std::vector<TensorInfo> tensors() const;                           // in file order

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gptoss

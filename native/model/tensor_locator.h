// Finds each tensor of the table in a file, also under the names and in the fused layouts that
// Ollama has written.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/gguf_file.h"
#include "model/config.h"
#include "model/tensor_table.h"

namespace gptoss::model {

// Where a tensor of the table stands: in a tensor of the file, as the outputs begin, begin + step,
// ... (an output is a row of a weight matrix, an element of a bias).
struct Location {
  const gguf::Tensor* tensor = nullptr;  // borrowed from the file
  int64_t begin = 0;
  int64_t step = 1;
  int64_t n_outputs = 0;  // of the whole tensor in the file
};

class TensorLocator {
 public:
  TensorLocator(const gguf::GgufFile& file, const Config& config) : file_(file), config_(config) {}

  // Appends to `problems`, a line each: missing tensors, unreadable types, wrong shapes, tensors
  // nobody asked for.
  void check_all(std::vector<std::string>& problems) const;

  // Precondition: check_all found no problem.
  Location locate(int layer, std::string_view name) const;

 private:
  struct Candidate {
    std::string name;  // in the file
    int64_t begin, step, n_outputs;
  };
  // The names under which a tensor may stand, in order of preference.
  std::vector<Candidate> candidates(int layer, const TensorSpec& spec) const;
  std::optional<Location> find(int layer, const TensorSpec& spec) const;
  void check_tensor(const Location& location, const TensorSpec& spec,
                    std::vector<std::string>& problems) const;

  const gguf::GgufFile& file_;  // borrowed
  const Config& config_;        // borrowed
};

}  // namespace gptoss::model

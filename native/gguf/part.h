// One GGUF file in memory: header, metadata, tensor table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "gguf/metadata.h"

namespace gptoss::gguf {

struct Part {
  Metadata metadata;
  std::vector<Tensor> tensors;
};

// Parses and validates the whole file `bytes`; the result points into it. `file` is its name in
// errors, `file_index` goes into Tensor::file. Throws ModelFileError.
Part parse_part(std::span<const std::byte> bytes, const std::string& file, uint32_t file_index);

}  // namespace gptoss::gguf

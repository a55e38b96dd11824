// Any bytes must parse into something that can be read whole, or throw ModelFileError.
#include <span>

#include <gptoss/error.h>

#include "gguf/part.h"
#include "gguf/split.h"
#include "gguf_walk.h"
#include "quant/codec.h"

namespace {

// Decodes the first row of a tensor, as a loader would.
void decode_row(const gptoss::gguf::Tensor& tensor) {
  if (tensor.data.empty() || tensor.shape[0] > 4096) return;
  const auto type = static_cast<gptoss::quant::TensorType>(tensor.type_id);
  std::vector<float> row(static_cast<size_t>(tensor.shape[0]));
  gptoss::quant::dequantize_row(type, tensor.data.data(), row.data(), row.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string path = "m-00001-of-00002.gguf";
  try {
    const gptoss::gguf::Part part =
        gptoss::gguf::parse_part({reinterpret_cast<const std::byte*>(data), size}, path, 0);
    volatile uint64_t sum = gptoss::testing::GgufWalker::walk(part);
    (void)sum;
    for (const gptoss::gguf::Tensor& tensor : part.tensors) decode_row(tensor);
    const uint64_t n_parts = gptoss::gguf::count_parts(part.metadata, path);
    if (n_parts > 1) (void)gptoss::gguf::part_paths(part.metadata, path, n_parts);
  } catch (const gptoss::ModelFileError&) {
    return 0;
  }
  return 0;
}

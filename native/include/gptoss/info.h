// Facts about this build, for `gptoss info` and for tests.
#pragma once

#include <string>
#include <vector>

namespace gptoss {

// A row of the tensor table: what a gpt-oss GGUF must hold.
struct TableRow {
  std::string name;  // without the "blk.N." of a layer's tensors
  bool per_layer;
  std::vector<std::string> shape;  // ggml order, in names of sizes: "hidden", "vocab", "query", ...
  std::string role;                // "dense", "router", "experts", "floats"
};
std::vector<TableRow> tensor_table();

}  // namespace gptoss

// Models split over several files, named PREFIX-00001-of-0000N.gguf.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/part.h"

namespace gptoss::gguf {

// How many parts the model has of which the parsed file `path` is one; 1 for a model in a single
// file.
uint64_t count_parts(const Metadata& metadata, const std::string& path);

// The paths of all `n_parts` parts, from the path of any of them. Throws ModelFileError when `path`
// does not have the name that its own metadata calls for.
std::vector<std::string> part_paths(const Metadata& metadata, const std::string& path,
                                    uint64_t n_parts);

// Checks that the parts belong together: split.no, split.count, split.tensors.count, no tensor
// twice.
void check_parts(const std::vector<Part>& parts, const std::vector<std::string>& paths);

}  // namespace gptoss::gguf

// The key-value section of a GGUF file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "gguf/cursor.h"
#include "gguf/gguf_file.h"

namespace gptoss::gguf {

using Metadata = std::map<std::string_view, Value>;

// Reads `n_keys` pairs. Throws ModelFileError for anything malformed: unknown types, duplicate
// keys, nested arrays.
Metadata read_metadata(Cursor& cursor, uint64_t n_keys);

// The value of an integer key; nullopt when the key is absent. Throws ModelFileError (naming
// `file`) when it is present but not an integer, or negative.
std::optional<uint64_t> find_uint(const Metadata& metadata, std::string_view key,
                                  const std::string& file);

}  // namespace gptoss::gguf

// The tensor table of a GGUF file and the place of every tensor's bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gguf/cursor.h"
#include "gguf/gguf_file.h"

namespace gptoss::gguf {

struct TableEntry {
  Tensor tensor;     // offset still relative to the data section, data still empty
  uint64_t n_bytes;  // 0 when the type is unknown
};

// Reads `n_tensors` entries. Throws ModelFileError for bad or repeated names, shapes that are empty
// or whose byte count overflows, and rows that are no whole blocks.
std::vector<TableEntry> read_tensor_table(Cursor& cursor, uint64_t n_tensors, uint32_t file_index);

// The tensors with absolute offsets and data pointing into `bytes`, the whole file. data_start:
// first byte of the data section. Throws ModelFileError when one is misaligned, overlaps another or
// lies beyond the end of the file.
std::vector<Tensor> place_tensors(std::vector<TableEntry> table, std::span<const std::byte> bytes,
                                  uint64_t data_start, uint64_t alignment, const std::string& file);

}  // namespace gptoss::gguf

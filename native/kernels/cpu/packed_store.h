// Packed weights of an earlier start: a file that the next start maps instead of packing again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/mapping.h"
#include "base/thread_pool.h"
#include "kernels/ops.h"

namespace gptoss::kernels::cpu {

// Begins with a header of text: version, sources (size, time, path), a line for each matrix. Then
// the matrices in the order in which they are adopted, each at a multiple of 2 MiB, so that pages
// of that size can map them. All numbers are checked before use; what does not fit the model is
// removed. Nothing here throws: where a file cannot be had, the weights stay in memory.
class PackedStore {
 public:
  // Keeps nothing.
  PackedStore() = default;
  // Opens the file of this model in `folder` (made if it is missing), or begins a new one if the
  // disk has room.
  PackedStore(const std::string& folder, const WeightsPlan& plan);

  // The next matrix, (n_bytes), as it was kept; nullptr if it has to be packed. shape: type, rows,
  // cols and count of the packed matrix. The memory belongs to the store.
  const std::byte* next(const Matrix& shape, size_t n_bytes);
  // Keeps a matrix that `next` did not have. Returns where it stands from now on: in the store, or
  // nullptr if that was not possible.
  const std::byte* keep(const Matrix& shape, const Buffer& packed, ThreadPool& pool);
  // After the last matrix: makes what was kept a file, on disk as a whole or not at all. False if
  // the disk failed, and with it the matrices that it held: none of them may be used.
  bool finish();

  size_t mapped_bytes() const;

  // The file that the weights are mapped from; empty if they are in memory.
  const std::string& path() const { return path_; }

 private:
  struct Entry {
    Matrix shape;
    uint64_t offset;
    uint64_t n_bytes;
  };
  enum class State { off, reading, writing };

  bool open_kept();
  void begin(size_t n_bytes);
  void give_up();
  bool give_name();
  const std::byte* map(uint64_t offset, size_t n_bytes);
  bool has_room(uint64_t n_bytes) const;

  State state_ = State::off;
  std::string path_;
  std::string identity_;  // the header up to its first matrix
  FileDescriptor file_;
  std::vector<Entry> entries_;
  size_t n_used_ = 0;  // entries that `next` gave
  uint64_t end_ = 0;   // of what was written
  std::vector<Mapping> mappings_;
};

}  // namespace gptoss::kernels::cpu

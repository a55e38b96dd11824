#include "kernels/cpu/packed_store.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <string_view>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>

#include "kernels/cpu/layout.h"

namespace gptoss::kernels::cpu {
namespace {

namespace fs = std::filesystem;

// Changes with the layout of panels and with the header.
constexpr std::string_view kVersion = "gptoss packed weights 1\n";
constexpr std::string_view kEnd = "end\n";
constexpr size_t kHeaderBytes = kHugePage;
constexpr uint64_t kSpare = uint64_t{1} << 30;  // bytes that must stay free on the disk

uint64_t rounded_up(uint64_t n_bytes) { return (n_bytes + kHugePage - 1) / kHugePage * kHugePage; }

// What tells this state of the model from any other; empty if a file cannot be asked.
std::string identity_of(const WeightsPlan& plan) {
  std::string text(kVersion);
  text += "fingerprint " + std::to_string(plan.fingerprint) + '\n';
  for (const std::string& source : plan.files) {
    struct stat info = {};
    if (source.find('\n') != std::string::npos || ::stat(source.c_str(), &info) != 0) return {};
    text += "source " + std::to_string(info.st_size) + ' ' + std::to_string(info.st_mtim.tv_sec) +
            '.' + std::to_string(info.st_mtim.tv_nsec) + ' ' + fs::absolute(source).string() + '\n';
  }
  return text;
}

// FNV-1a.
uint64_t hash(std::string_view text) {
  uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) value = (value ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return value;
}

std::string file_name(const std::string& source) {
  const fs::path path = fs::absolute(source);
  char digits[17] = {};
  std::to_chars(digits, digits + 16, hash(path.string()), 16);
  return path.stem().string() + '-' + digits + ".packed";
}

std::string line_of(const Matrix& shape, uint64_t offset, uint64_t n_bytes) {
  std::string line = "matrix";
  for (const uint64_t value :
       {static_cast<uint64_t>(shape.type), static_cast<uint64_t>(shape.rows),
        static_cast<uint64_t>(shape.cols), static_cast<uint64_t>(shape.count), offset, n_bytes})
    line += ' ' + std::to_string(value);
  return line + '\n';
}

// Takes " 123" from the front. False if it is not there.
bool take_number(std::string_view& text, uint64_t& value) {
  if (!text.starts_with(' ')) return false;
  const auto [rest, error] = std::from_chars(text.data() + 1, text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(rest - text.data()));
  return true;
}

bool write_all(int fd, const std::byte* data, size_t n_bytes, uint64_t offset) {
  while (n_bytes > 0) {
    const ssize_t n = ::pwrite(fd, data, n_bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    offset += static_cast<uint64_t>(n);
    n_bytes -= static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

PackedStore::PackedStore(const std::string& folder, const WeightsPlan& plan) {
  try {
    identity_ = identity_of(plan);
    if (folder.empty() || identity_.empty()) return;
    fs::create_directories(folder);
    path_ = (fs::path(folder) / file_name(plan.files.front())).string();
  } catch (const std::system_error&) {
    path_.clear();
    return;
  }
  if (!open_kept()) begin(plan.n_bytes);
}

// True if there is a file of this model, and all it says can be.
bool PackedStore::open_kept() {
  file_ = FileDescriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info = {};
  if (!file_.is_open() || ::fstat(file_.get(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  const auto size = static_cast<uint64_t>(info.st_size);
  std::string header(std::min<uint64_t>(size, kHeaderBytes), '\0');
  if (::pread(file_.get(), header.data(), header.size(), 0) != static_cast<ssize_t>(header.size()))
    return false;
  std::string_view rest = header;
  if (!rest.starts_with(identity_)) return false;
  rest.remove_prefix(identity_.size());
  while (rest.starts_with("matrix")) {
    rest.remove_prefix(6);
    uint64_t numbers[6] = {};
    for (uint64_t& number : numbers)
      if (!take_number(rest, number)) return false;
    const auto [type, rows, cols, count, offset, n_bytes] = numbers;
    if (!rest.starts_with('\n') || offset % kHugePage != 0 || offset > size || n_bytes == 0 ||
        n_bytes > size - offset)
      return false;
    rest.remove_prefix(1);
    entries_.push_back({{.type = static_cast<quant::TensorType>(type),
                         .rows = static_cast<int64_t>(rows),
                         .cols = static_cast<int64_t>(cols),
                         .count = static_cast<int64_t>(count)},
                        offset,
                        n_bytes});
  }
  if (rest.substr(0, kEnd.size()) != kEnd) return false;
  state_ = State::reading;
  return true;
}

void PackedStore::begin(size_t n_bytes) {
  entries_.clear();
  (void)::unlink(path_.c_str());  // of another state of the model: its room is wanted
  const std::string folder = fs::path(path_).parent_path().string();
  file_ = FileDescriptor(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644));
  if (!file_.is_open() || !has_room(n_bytes)) return give_up();
  end_ = kHeaderBytes;
  state_ = State::writing;
}

bool PackedStore::has_room(uint64_t n_bytes) const {
  struct statvfs disk = {};
  return ::fstatvfs(file_.get(), &disk) == 0 && disk.f_bavail * disk.f_frsize > n_bytes + kSpare;
}

void PackedStore::give_up() {
  state_ = State::off;
  path_.clear();
}

const std::byte* PackedStore::map(uint64_t offset, size_t n_bytes) {
  const std::byte* data = mappings_.emplace_back(file_, offset, n_bytes).data();
  if (data == nullptr) give_up();
  return data;
}

const std::byte* PackedStore::next(const Matrix& shape, size_t n_bytes) {
  if (state_ != State::reading) return nullptr;
  if (n_used_ < entries_.size()) {
    const Entry& entry = entries_[n_used_];
    if (line_of(shape, 0, n_bytes) == line_of(entry.shape, 0, entry.n_bytes)) {
      ++n_used_;
      return map(entry.offset, n_bytes);
    }
  }
  (void)::unlink(path_.c_str());
  give_up();
  return nullptr;
}

const std::byte* PackedStore::keep(const Matrix& shape, const Buffer& packed, ThreadPool& pool) {
  if (state_ != State::writing) return nullptr;
  // Pieces of the size of a huge page: so the system keeps them in pages of that size.
  std::atomic<bool> is_written = has_room(packed.size());
  const auto n_pieces = static_cast<int64_t>(rounded_up(packed.size()) / kHugePage);
  pool.parallel_for(n_pieces, [&](int64_t piece, int) {
    const size_t first = static_cast<size_t>(piece) * kHugePage;
    const size_t n_bytes = std::min(kHugePage, packed.size() - first);
    if (is_written && !write_all(file_.get(), packed.data() + first, n_bytes, end_ + first))
      is_written = false;
  });
  if (!is_written) {
    give_up();
    return nullptr;
  }
  // On its way to the disk while the next one is packed; no more than one waits for it.
  (void)::sync_file_range(file_.get(), static_cast<off_t>(end_), static_cast<off_t>(packed.size()),
                          SYNC_FILE_RANGE_WRITE);
  if (!entries_.empty())
    (void)::sync_file_range(
        file_.get(), static_cast<off_t>(entries_.back().offset),
        static_cast<off_t>(entries_.back().n_bytes),
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  entries_.push_back({shape, end_, packed.size()});
  end_ = rounded_up(end_ + packed.size());
  return map(entries_.back().offset, packed.size());
}

bool PackedStore::finish() {
  // What was written and could not be stored is lost, also if writing ended early.
  const bool is_on_disk = end_ == 0 || ::fdatasync(file_.get()) == 0;
  if (!is_on_disk) {
    mappings_.clear();
    give_up();
  }
  if (state_ == State::writing && !give_name()) path_.clear();
  state_ = State::off;
  file_ = FileDescriptor();  // mappings need none
  return is_on_disk;
}

// Writes the header, behind the data: on the disk, it means that all of it is there.
bool PackedStore::give_name() {
  std::string header = identity_;
  for (const Entry& entry : entries_) header += line_of(entry.shape, entry.offset, entry.n_bytes);
  header += kEnd;
  const bool is_on_disk =
      header.size() <= kHeaderBytes &&
      write_all(file_.get(), reinterpret_cast<const std::byte*>(header.data()), header.size(), 0) &&
      ::fdatasync(file_.get()) == 0;
  const std::string unnamed = "/proc/self/fd/" + std::to_string(file_.get());
  const std::string draft = path_ + '.' + std::to_string(::getpid());
  (void)::unlink(draft.c_str());  // of a process that was killed here
  const bool is_named =
      is_on_disk &&
      ::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, draft.c_str(), AT_SYMLINK_FOLLOW) == 0 &&
      ::rename(draft.c_str(), path_.c_str()) == 0;
  if (!is_named) (void)::unlink(draft.c_str());
  return is_named;
}

size_t PackedStore::mapped_bytes() const {
  size_t n_bytes = 0;
  for (const Mapping& mapping : mappings_) n_bytes += mapping.size();
  return n_bytes;
}

}  // namespace gptoss::kernels::cpu

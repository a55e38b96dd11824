#include "kv/page_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <type_traits>
#include <unistd.h>

#include "base/checksum.h"

namespace gptoss::kv {
namespace {

constexpr char kMagic[8] = {'g', 'p', 't', 'o', 's', 's', 'k', 'v'};
constexpr uint32_t kVersion = 1;           // changes with the header and with what a key is
constexpr uint64_t kPayloadOffset = 4096;  // K and V begin with a page of memory: faster to copy
constexpr time_t kDraftSeconds = 60;       // a younger draft may be about to be locked
constexpr size_t kKeyDigits = 32;          // of a key's hex
constexpr std::string_view kSuffix = ".kv";

static_assert(std::has_unique_object_representations_v<PageHeader> && sizeof(PageHeader) == 344,
              "a header is written as it lies in memory");

std::span<const std::byte> bytes_of(const PageHeader& header) {
  return std::as_bytes(std::span(&header, 1));
}

uint64_t checksum_of(const PageHeader& header) {
  return checksum(bytes_of(header).first(offsetof(PageHeader, header_checksum)));
}

// Whether the header is one that write_page() makes. Nothing in it is used before it is checked.
bool is_sound(const PageHeader& header, uint64_t n_file_bytes, const PageFormat& format) {
  return std::memcmp(header.magic, kMagic, sizeof(kMagic)) == 0 && header.version == kVersion &&
         header.header_checksum == checksum_of(header) && header.identity == format.identity &&
         header.flags <= 1 && header.unused == 0 && header.n_tokens >= 1 &&
         header.n_tokens <= kPageTokens && n_file_bytes == format.file_bytes(header.has_window()) &&
         header.key == key_after(header.parent, header.page_tokens());
}

// False at the end of the file, or if the disk cannot be read.
bool read_at(int fd, std::byte* data, size_t n_bytes, uint64_t offset) {
  while (n_bytes > 0) {
    const ssize_t n = ::pread(fd, data, n_bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    offset += static_cast<uint64_t>(n);
    n_bytes -= static_cast<size_t>(n);
  }
  return true;
}

// Returns 0 or an errno.
int write_at(int fd, std::span<const std::byte> bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : ENOSPC;
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return 0;
}

PageHeader header_of(const PageFormat& format, const PrefixKey& parent,
                     std::span<const int32_t> tokens, std::span<const std::byte> full,
                     std::span<const std::byte> window) {
  PageHeader header = {};
  std::copy_n(kMagic, sizeof(kMagic), header.magic);
  header.version = kVersion;
  header.flags = window.empty() ? 0 : 1;
  header.n_tokens = static_cast<uint32_t>(tokens.size());
  header.identity = format.identity;
  header.parent = parent;
  header.key = key_after(parent, tokens);
  std::copy(tokens.begin(), tokens.end(), header.tokens);
  header.full_checksum = checksum(full);
  header.window_checksum = window.empty() ? 0 : checksum(window);
  header.header_checksum = checksum_of(header);
  return header;
}

}  // namespace

PageFormat::PageFormat(const std::string& model, size_t n_full_bytes, size_t n_window_bytes)
    : full_bytes(n_full_bytes), window_bytes(n_window_bytes) {
  std::string text;
  for (const uint64_t value : {uint64_t{kVersion}, uint64_t{full_bytes}, uint64_t{window_bytes}})
    text += std::to_string(value) + ' ';
  text += model;
  identity = checksum(std::as_bytes(std::span(text)));
}

uint64_t PageFormat::file_bytes(bool has_window) const {
  return kPayloadOffset + full_bytes + (has_window ? window_bytes : 0);
}

std::string page_name(const PrefixKey& parent, const PrefixKey& key) {
  return hex(parent) + '-' + hex(key) + std::string(kSuffix);
}

bool is_page_name(const std::string& name) {
  return name.size() == 2 * kKeyDigits + 1 + kSuffix.size() && name[kKeyDigits] == '-' &&
         name.ends_with(kSuffix) && name.find_first_not_of("0123456789abcdef") == kKeyDigits &&
         name.find_first_not_of("0123456789abcdef", kKeyDigits + 1) == 2 * kKeyDigits + 1;
}

PageState open_page(int folder, const std::string& name, const PageFormat& format, PageFile& page) {
  // Neither follows a link nor waits for what is not a file.
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  page.file = FileDescriptor(::openat(folder, name.c_str(), kFlags));
  if (!page.file.is_open()) return errno == ELOOP ? PageState::damaged : PageState::gone;
  struct stat info = {};
  const bool is_good =
      ::fstat(page.file.get(), &info) == 0 && S_ISREG(info.st_mode) &&
      read_at(page.file.get(), reinterpret_cast<std::byte*>(&page.header), sizeof(PageHeader), 0) &&
      is_sound(page.header, static_cast<uint64_t>(info.st_size), format) &&
      name == page_name(page.header.parent, page.header.key);
  return is_good ? PageState::good : PageState::damaged;
}

bool read_page(const PageFile& page, const PageFormat& format, std::byte* full, std::byte* window) {
  const auto read_part = [&](std::byte* part, size_t n_bytes, uint64_t offset, uint64_t expected) {
    return read_at(page.file.get(), part, n_bytes, offset) && checksum({part, n_bytes}) == expected;
  };
  return (full == nullptr ||
          read_part(full, format.full_bytes, kPayloadOffset, page.header.full_checksum)) &&
         (window == nullptr ||
          read_part(window, format.window_bytes, kPayloadOffset + format.full_bytes,
                    page.header.window_checksum));
}

int write_page(int folder, const std::string& draft, const PageFormat& format,
               const PrefixKey& parent, std::span<const int32_t> tokens,
               std::span<const std::byte> full, std::span<const std::byte> window) {
  const PageHeader header = header_of(format, parent, tokens, full, window);
  const std::string name = page_name(parent, header.key);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const FileDescriptor file(::openat(folder, draft.c_str(), kFlags, 0600));
  if (!file.is_open()) return errno;
  (void)::flock(file.get(), LOCK_EX);  // until it is closed, or the process ends
  int error = write_at(file.get(), bytes_of(header), 0);
  if (error == 0) error = write_at(file.get(), full, kPayloadOffset);
  if (error == 0) error = write_at(file.get(), window, kPayloadOffset + full.size());
  // Not synced to the disk: what a power failure tears, the checksums tell.
  if (error == 0 && ::renameat(folder, draft.c_str(), folder, name.c_str()) != 0) error = errno;
  if (error != 0) (void)::unlinkat(folder, draft.c_str(), 0);
  return error;
}

bool is_abandoned(int folder, const std::string& draft) {
  constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const FileDescriptor file(::openat(folder, draft.c_str(), kFlags));
  struct stat info = {};
  return file.is_open() && ::fstat(file.get(), &info) == 0 &&
         info.st_mtim.tv_sec + kDraftSeconds < ::time(nullptr) &&
         ::flock(file.get(), LOCK_EX | LOCK_NB) == 0;
}

}  // namespace gptoss::kv

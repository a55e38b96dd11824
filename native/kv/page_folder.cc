#include "kv/page_folder.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "kv/page_file.h"

namespace gptoss::kv {
namespace {

namespace fs = std::filesystem;

constexpr size_t kIdentityDigits = 16;
constexpr size_t kBucketDigits = 2;

// A page as count_and_trim() sees it.
struct Page {
  std::pair<int64_t, int64_t> last_use;  // seconds, nanoseconds
  uint64_t n_bytes;
  std::string identity, bucket, name;
};

FileDescriptor open_folder(const FileDescriptor& above, const std::string& name) {
  return FileDescriptor(
      ::openat(above.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

std::string bucket_name(const PrefixKey& parent) { return hex(parent).substr(0, kBucketDigits); }

bool is_hex(const std::string& name, size_t n_digits) {
  return name.size() == n_digits && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The pages in one bucket, behind those in `pages`. Removes abandoned drafts.
void add_pages(const FileDescriptor& folder, const std::string& identity, const std::string& bucket,
               std::vector<Page>& pages) {
  for (std::string& name : names_in(folder)) {
    struct stat info = {};
    if (name.ends_with(kDraftSuffix) && is_abandoned(folder.get(), name))
      (void)::unlinkat(folder.get(), name.c_str(), 0);
    if (is_page_name(name) &&
        ::fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(info.st_mode))
      pages.push_back({{info.st_mtim.tv_sec, info.st_mtim.tv_nsec},
                       static_cast<uint64_t>(info.st_size),
                       identity,
                       bucket,
                       std::move(name)});
  }
}

}  // namespace

std::vector<std::string> names_in(const FileDescriptor& folder) {
  std::vector<std::string> names;
  const int fd = ::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return names;
  DIR* const listing = ::fdopendir(fd);
  if (listing == nullptr) {
    (void)::close(fd);
    return names;
  }
  while (const dirent* const entry = ::readdir(listing)) names.emplace_back(entry->d_name);
  (void)::closedir(listing);
  return names;
}

PageFolder::PageFolder(const std::string& folder, uint64_t identity)
    : path_(fs::absolute(folder).lexically_normal().string()), identity_(hex(identity)) {
  if (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
}

bool PageFolder::make() const {
  std::error_code error;
  fs::create_directories(fs::path(path_).parent_path(), error);
  for (const std::string& path : {path_, path_ + '/' + identity_})
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return false;
  const FileDescriptor above(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return above.is_open() && open_folder(above, identity_).is_open();
}

FileDescriptor PageFolder::bucket(const PrefixKey& parent, bool is_made) const {
  const FileDescriptor above(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!above.is_open()) return {};
  const FileDescriptor own = open_folder(above, identity_);
  if (!own.is_open()) return {};
  const std::string name = bucket_name(parent);
  if (is_made) (void)::mkdirat(own.get(), name.c_str(), 0700);
  return open_folder(own, name);
}

std::string PageFolder::path_of(const PrefixKey& parent, const std::string& name) const {
  return path_ + '/' + identity_ + '/' + bucket_name(parent) + '/' + name;
}

uint64_t PageFolder::count_and_trim(uint64_t most, uint64_t kept) const {
  std::vector<Page> pages;
  const FileDescriptor top(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const std::string& identity : names_in(top)) {
    if (!is_hex(identity, kIdentityDigits)) continue;
    const FileDescriptor folder = open_folder(top, identity);
    for (const std::string& bucket : names_in(folder))
      if (is_hex(bucket, kBucketDigits))
        add_pages(open_folder(folder, bucket), identity, bucket, pages);
  }
  uint64_t n_bytes = 0;
  for (const Page& page : pages) n_bytes += page.n_bytes;
  if (n_bytes <= most) return n_bytes;
  std::sort(pages.begin(), pages.end(),
            [](const Page& a, const Page& b) { return a.last_use < b.last_use; });
  for (const Page& page : pages) {
    if (n_bytes <= kept) break;
    const FileDescriptor folder = open_folder(open_folder(top, page.identity), page.bucket);
    // Another process that trims may be faster.
    if (::unlinkat(folder.get(), page.name.c_str(), 0) == 0 || errno == ENOENT)
      n_bytes -= page.n_bytes;
  }
  return n_bytes;
}

}  // namespace gptoss::kv

#include "kv/page_store.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <fcntl.h>
#include <random>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "base/check.h"

namespace gptoss::kv {
namespace {

// Where prompts part in many ways, some of the ways are looked at: 6 us each.
constexpr int kMostSiblings = 256;
constexpr size_t kMostWarnings = 16;  // in the life of a store
// What is removed beyond what must be, so that not every save has to look at all pages.
constexpr uint64_t kSlack = 16;  // max_bytes / kSlack
// Others save, too: after max_bytes / kCountShare of our own the folder is counted again.
constexpr uint64_t kCountShare = 8;

std::string draft_prefix() {
  std::random_device random;
  const uint64_t high = random();
  return hex(high << 32 | random()) + '.';
}

std::string describe(int error) { return std::generic_category().message(error); }

int n_common(std::span<const int32_t> a, std::span<const int32_t> b) {
  const auto ends = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<int>(ends.first - a.begin());
}

}  // namespace

PageStore::PageStore(const Options& options)
    : options_(options), format_(options.identity, options.full_bytes, options.window_bytes) {
  if (options_.folder.empty() || format_.file_bytes(false) > kept_bytes()) return;
  try {
    folder_ = PageFolder(options_.folder, format_.identity);
    draft_prefix_ = draft_prefix();
    is_on_ = folder_.make();
    if (!is_on_) warn_not_kept(describe(errno));
  } catch (const std::exception& error) {  // no working directory, no random numbers
    warn_not_kept(error.what());
  }
  if (is_on_) trim();
}

uint64_t PageStore::kept_bytes() const { return options_.max_bytes - options_.max_bytes / kSlack; }

std::optional<PageStore::Entry> PageStore::find(const PrefixKey& parent,
                                                std::span<const int32_t> tokens) {
  tokens = tokens.first(std::min<size_t>(tokens.size(), kPageTokens));
  if (!is_on_ || tokens.empty()) return std::nullopt;
  const FileDescriptor bucket = folder_.bucket(parent, false);
  if (!bucket.is_open()) return std::nullopt;

  Entry best;
  const auto consider = [&](const std::string& name) {
    PageFile page;
    if (!open_good(bucket.get(), parent, name, page)) return;
    const int n_matched = n_common(page.header.page_tokens(), tokens);
    const bool has_window = page.header.has_window();
    if (n_matched > best.n_matched ||
        (n_matched == best.n_matched && has_window && !best.has_window))
      best = {.parent = parent,
              .key = page.header.key,
              .n_tokens = static_cast<int>(page.header.n_tokens),
              .n_matched = n_matched,
              .has_window = has_window};
  };
  // Only one page can hold a full page's tokens; a shorter one may also begin another page.
  const auto is_best = [&] {
    return best.n_matched == static_cast<int>(tokens.size()) &&
           (best.has_window || tokens.size() == kPageTokens);
  };
  const std::string exact = page_name(parent, key_after(parent, tokens));
  consider(exact);
  if (!is_best()) {
    const std::string beginning = hex(parent) + '-';
    int n_left = kMostSiblings;
    for (const std::string& name : names_in(bucket)) {
      if (!name.starts_with(beginning) || !is_page_name(name) || name == exact) continue;
      consider(name);
      if (is_best() || --n_left == 0) break;
    }
  }
  if (best.n_matched == 0) return std::nullopt;
  return best;
}

bool PageStore::load(const Entry& entry, std::span<const int32_t> tokens, std::byte* full,
                     std::byte* window) {
  if (!is_on_) return false;
  const FileDescriptor bucket = folder_.bucket(entry.parent, false);
  const std::string name = page_name(entry.parent, entry.key);
  PageFile page;
  if (!bucket.is_open() || !open_good(bucket.get(), entry.parent, name, page)) return false;
  if (page.header.n_tokens != static_cast<uint32_t>(entry.n_tokens) ||
      n_common(page.header.page_tokens(), tokens) < entry.n_matched ||
      (window != nullptr && !page.header.has_window()))
    return false;
  if (read_page(page, format_, full, window)) return true;
  remove_damaged(bucket.get(), entry.parent, name);
  return false;
}

bool PageStore::save(const PrefixKey& parent, std::span<const int32_t> tokens,
                     const std::byte* full, const std::byte* window) {
  GPTOSS_CHECK(!tokens.empty() && tokens.size() <= kPageTokens);
  const uint64_t n_bytes = format_.file_bytes(window != nullptr);
  if (!is_on_ || n_bytes > kept_bytes()) return false;
  FileDescriptor bucket = folder_.bucket(parent, true);
  if (!bucket.is_open() && folder_.make()) bucket = folder_.bucket(parent, true);
  if (!bucket.is_open()) {
    warn_not_kept(describe(errno));
    return false;
  }
  uint64_t n_replaced = 0;
  PageFile stored;
  const std::string name = page_name(parent, key_after(parent, tokens));
  if (open_good(bucket.get(), parent, name, stored)) {
    if (stored.header.has_window() || window == nullptr) {
      (void)::futimens(stored.file.get(), nullptr);
      return true;
    }
    n_replaced = format_.file_bytes(false);
  }
  const std::string draft = draft_prefix_ + std::to_string(++n_drafts_) + kDraftSuffix;
  const int error =
      write_page(bucket.get(), draft, format_, parent, tokens, {full, format_.full_bytes},
                 {window, window == nullptr ? 0 : format_.window_bytes});
  if (error != 0) {
    warn_not_kept(describe(error));
    return false;
  }
  add(n_bytes, n_replaced);
  return true;
}

void PageStore::touch(const PrefixKey& parent, const PrefixKey& key) {
  const FileDescriptor bucket = folder_.bucket(parent, false);
  if (bucket.is_open())
    (void)::utimensat(bucket.get(), page_name(parent, key).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

uint64_t PageStore::n_bytes() const {
  const std::lock_guard lock(mutex_);
  return n_bytes_;
}

std::vector<std::string> PageStore::take_warnings() {
  const std::lock_guard lock(mutex_);
  return std::exchange(warnings_, {});
}

// True if the page is there and what its header says can be. A damaged one is removed.
bool PageStore::open_good(int bucket, const PrefixKey& parent, const std::string& name,
                          PageFile& page) {
  const PageState state = open_page(bucket, name, format_, page);
  if (state == PageState::damaged) remove_damaged(bucket, parent, name);
  return state == PageState::good;
}

void PageStore::remove_damaged(int bucket, const PrefixKey& parent, const std::string& name) {
  (void)::unlinkat(bucket, name.c_str(), 0);
  warn("removed " + folder_.path_of(parent, name) +
       ", a damaged page of a prompt; check the disk if this happens again");
}

// Counts a page that was saved, and trims the folder when that is due.
void PageStore::add(uint64_t n_bytes, uint64_t n_replaced) {
  {
    const std::lock_guard lock(mutex_);
    n_bytes_ += n_bytes;
    n_bytes_ -= std::min(n_bytes_, n_replaced);
    n_uncounted_ += n_bytes;
    if (n_bytes_ <= options_.max_bytes && n_uncounted_ <= options_.max_bytes / kCountShare) return;
  }
  trim();
}

void PageStore::trim() {
  const std::unique_lock alone(trimming_, std::try_to_lock);
  if (!alone.owns_lock()) return;
  {
    const std::lock_guard lock(mutex_);
    n_uncounted_ = 0;
  }
  const uint64_t n_bytes = folder_.count_and_trim(options_.max_bytes, kept_bytes());
  const std::lock_guard lock(mutex_);
  // What was saved meanwhile may be counted twice, until the next time.
  n_bytes_ = n_bytes + n_uncounted_;
}

void PageStore::warn(std::string text) {
  const std::lock_guard lock(mutex_);
  if (warned_.size() >= kMostWarnings ||
      std::find(warned_.begin(), warned_.end(), text) != warned_.end())
    return;
  warned_.push_back(text);
  warnings_.push_back(std::move(text));
}

void PageStore::warn_not_kept(const std::string& why) {
  warn("cannot keep prompts in " + options_.folder + " (" + why +
       "); make room there or name another folder");
}

}  // namespace gptoss::kv

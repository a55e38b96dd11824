// Pages of prompts in a folder: what is found, what is kept, and what goes.
#include "kv/page_store.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "base/check.h"
#include "base/family.h"
#include "kv/stored_pages.h"
#include "testing.h"

using namespace gptoss;
using namespace gptoss::kv;
using namespace gptoss::testing;
namespace fs = std::filesystem;

namespace {

const uint64_t kFileBytes = PageFormat("", kFullBytes, kWindowBytes).file_bytes(true);

// Makes a page look as if it had been used that many seconds ago.
void age(const fs::path& path, int seconds) {
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::seconds(seconds));
}

mode_t permissions(const fs::path& path) {
  struct stat info = {};
  CHECK_EQ(::lstat(path.c_str(), &info), 0);
  return info.st_mode & 07777;
}

}  // namespace

TEST(a_page_comes_back) {
  PagesFolder folder;
  PageStore store(folder.options());
  const Tokens page = numbered(0, 64);
  CHECK(!store.find(kParent, page));
  CHECK(save(store, page, 1));
  CHECK(holds(store, page, 1));
  CHECK_EQ(store.n_bytes(), kFileBytes);
  const auto entry = store.find(kParent, joined(page, numbered(900, 70)));
  CHECK(entry && entry->n_matched == 64 && entry->has_window);
  CHECK(entry->key == key_after(kParent, page));
  CHECK(!store.find(PrefixKey{}, page));
  CHECK(!store.find(kParent, {}));
  CHECK(!store.find(kParent, numbered(5, 64)));
  Content content;  // the full part alone
  CHECK(store.load(*entry, page, content.full.data(), nullptr));
  CHECK(content.full == Content(1).full);
  CHECK(store.take_warnings().empty());
}

TEST(files_are_private) {
  PagesFolder folder;
  PageStore store(folder.options());
  CHECK(save(store, numbered(0, 64), 1));
  const fs::path file = folder.only_file();
  CHECK_EQ(permissions(file), mode_t{0600});
  const fs::path bucket = file.parent_path();
  for (const fs::path& path : {bucket, bucket.parent_path(), fs::path(folder.path)})
    CHECK_EQ(permissions(path), mode_t{0700});
  CHECK_EQ(bucket.filename().string(), hex(kParent).substr(0, 2));
}

TEST(another_process_finds_it) {
  PagesFolder folder;
  PageStore first(folder.options());
  PageStore second(folder.options());
  CHECK(save(first, numbered(0, 64), 1));
  CHECK(holds(second, numbered(0, 64), 1));
  CHECK(save(second, numbered(0, 64), 1));
  CHECK_EQ(second.n_bytes(), uint64_t{0});  // it did not write it again
  PageStore third(folder.options());
  CHECK_EQ(third.n_bytes(), kFileBytes);
  CHECK(holds(third, numbered(0, 64), 1));
}

TEST(a_page_that_agrees_only_at_first) {
  PagesFolder folder;
  PageStore store(folder.options());
  CHECK(save(store, numbered(0, 64), 1));
  CHECK(save(store, joined(numbered(0, 20), numbered(500, 10)), 2));
  const auto n_matched = [&](const Tokens& tokens) {
    const auto entry = store.find(kParent, tokens);
    if (!entry) return 0;
    Content content;
    CHECK(store.load(*entry, tokens, content.full.data(), content.window.data()));
    CHECK(content == Content(entry->n_tokens == 64 ? 1 : 2));
    return entry->n_matched;
  };
  CHECK_EQ(n_matched(numbered(0, 1)), 1);
  CHECK_EQ(n_matched(numbered(0, 63)), 63);
  CHECK_EQ(n_matched(joined(numbered(0, 63), {7})), 63);
  CHECK_EQ(n_matched(joined(numbered(0, 20), numbered(500, 5))), 25);
  CHECK_EQ(n_matched(joined(numbered(0, 20), numbered(500, 60))), 30);
  CHECK_EQ(n_matched(joined(numbered(0, 5), {7})), 5);
  CHECK_EQ(n_matched({7}), 0);
}

TEST(a_window_part_is_preferred_and_kept) {
  PagesFolder folder;
  PageStore store(folder.options());
  const Tokens tail = numbered(0, 10);
  CHECK(save(store, tail, 1, false));
  CHECK(!store.find(kParent, tail)->has_window);
  CHECK(!holds(store, tail, 1));  // no window part to load
  CHECK(save(store, joined(tail, {99}), 2));
  auto entry = store.find(kParent, tail);
  CHECK(entry->has_window && entry->n_tokens == 11 && entry->n_matched == 10);
  CHECK_EQ(store.find(kParent, joined(tail, {98}))->n_tokens, 11);

  CHECK(save(store, tail, 3));  // now with one
  CHECK(holds(store, tail, 3));
  CHECK(save(store, tail, 4, false));
  CHECK(holds(store, tail, 3));
  CHECK_EQ(store.n_bytes(), 2 * kFileBytes);
  CHECK_EQ(folder.files().size(), size_t{2});
  CHECK(store.take_warnings().empty());
}

TEST(foreign_pages_are_left_alone) {
  PagesFolder folder;
  PageStore store(folder.options());
  CHECK(save(store, numbered(0, 64), 1));
  for (const int difference : {0, 1, 2}) {
    PageStore::Options options = folder.options();
    if (difference == 0) options.identity = "another model";
    if (difference == 1) ++options.full_bytes;
    if (difference == 2) --options.window_bytes;
    PageStore other(options);
    CHECK(!other.find(kParent, numbered(0, 64)));
    CHECK_EQ(other.n_bytes(), kFileBytes);  // but they count
  }
  CHECK(holds(store, numbered(0, 64), 1));
}

TEST(a_page_may_go_at_any_time) {
  PagesFolder folder;
  PageStore store(folder.options());
  const Tokens page = numbered(0, 64);
  CHECK(save(store, page, 1));
  const auto entry = store.find(kParent, page);
  fs::remove(folder.only_file());
  Content content;
  CHECK(!store.load(*entry, page, content.full.data(), content.window.data()));
  store.touch(entry->parent, entry->key);
  fs::remove_all(folder.path);
  CHECK(!store.find(kParent, page));
  CHECK(!store.load(*entry, page, content.full.data(), content.window.data()));
  store.touch(entry->parent, entry->key);
  CHECK(save(store, page, 2));  // makes the folder again
  CHECK(holds(store, page, 2));
  CHECK(store.take_warnings().empty());
}

TEST(an_entry_of_other_tokens_is_refused) {
  PagesFolder folder;
  PageStore store(folder.options());
  CHECK(save(store, numbered(0, 64), 1));
  auto entry = store.find(kParent, numbered(0, 64));
  Content content;
  CHECK(!store.load(*entry, numbered(1, 64), content.full.data(), nullptr));
  CHECK(!store.load(*entry, numbered(0, 63), content.full.data(), nullptr));
  entry->n_tokens = 63;
  CHECK(!store.load(*entry, numbered(0, 64), content.full.data(), nullptr));
  CHECK(holds(store, numbered(0, 64), 1));
}

TEST(a_folder_that_cannot_be) {
  PagesFolder folder;
  write_file((folder.dir.path() / "file").string(), "text");
  PageStore::Options options = folder.options();
  options.folder = (folder.dir.path() / "file" / "below").string();
  PageStore store(options);
  CHECK(!save(store, numbered(0, 64), 1));
  CHECK(!store.find(kParent, numbered(0, 64)));
  CHECK_EQ(store.n_bytes(), uint64_t{0});
  const auto warnings = store.take_warnings();
  CHECK_EQ(warnings.size(), size_t{1});
  CHECK(warnings[0].find("cannot keep prompts in " + options.folder) != std::string::npos);
  CHECK(!save(store, numbered(0, 64), 1));
  CHECK(store.take_warnings().empty());
}

TEST(a_folder_that_becomes_a_file) {
  PagesFolder folder;
  PageStore store(folder.options());
  CHECK(save(store, numbered(0, 64), 1));
  fs::remove_all(folder.path);
  write_file(folder.path, "text");
  CHECK(!save(store, numbered(0, 64), 1));
  CHECK(!save(store, numbered(5, 64), 1));
  CHECK(!store.find(kParent, numbered(0, 64)));
  CHECK_EQ(store.take_warnings().size(), size_t{1});
}

// For all users but root, whom permissions do not stop: for root the folder above covers it.
TEST(a_folder_that_may_not_be_written) {
  if (::geteuid() == 0) return;
  PagesFolder folder;
  PageStore store(folder.options());
  CHECK(save(store, numbered(0, 64), 1));
  const fs::path bucket = fs::path(folder.only_file()).parent_path();
  fs::permissions(bucket, fs::perms::owner_read | fs::perms::owner_exec);
  CHECK(!save(store, numbered(5, 64), 2));
  CHECK(holds(store, numbered(0, 64), 1));
  CHECK_EQ(store.take_warnings().size(), size_t{1});
  fs::permissions(bucket, fs::perms::owner_all);
}

TEST(a_disk_that_is_full) {
  PagesFolder folder;
  PageStore store(folder.options());
  rlimit before = {};
  CHECK_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  // Within the header, K and V of the full layers, and of the sliding ones.
  for (const uint64_t n_bytes : {uint64_t{100}, kFileBytes - 700, kFileBytes - 1}) {
    const rlimit limit{n_bytes, before.rlim_max};
    CHECK_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    const bool is_saved = save(store, numbered(0, 64), 1);
    CHECK_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK(!is_saved);
    CHECK(folder.files().empty());
  }
  (void)std::signal(SIGXFSZ, handler);
  CHECK_EQ(store.take_warnings().size(), size_t{1});
  CHECK(save(store, numbered(0, 64), 1));
  CHECK_EQ(store.n_bytes(), kFileBytes);
}

TEST(the_least_recently_used_pages_go) {
  PagesFolder folder;
  PageStore store(folder.options(5 * kFileBytes));
  PageStore::Options options = folder.options();
  options.identity = "an older model";
  PageStore older(options);
  CHECK(save(older, numbered(0, 64), 0));
  age(folder.only_file(), 500);
  for (int i = 1; i <= 4; ++i) {
    CHECK(save(store, numbered(i, 64), i));
    for (const fs::path& file : folder.files())
      if (file.filename() == page_name(kParent, key_after(kParent, numbered(i, 64))))
        age(file, 100 - 10 * i);
  }
  store.touch(kParent, key_after(kParent, numbered(1, 64)));
  // Beyond the limit, and beyond the sixteenth that is to stay free: two pages.
  CHECK(save(store, numbered(5, 64), 5));
  CHECK(!older.find(kParent, numbered(0, 64)));
  for (const int i : {1, 3, 4, 5}) CHECK(holds(store, numbered(i, 64), i));
  CHECK_EQ(store.find(kParent, numbered(2, 64)).has_value(), false);
  CHECK_EQ(store.n_bytes(), 4 * kFileBytes);
  // Of a smaller budget.
  PageStore small(folder.options(3 * kFileBytes));
  CHECK_EQ(folder.files().size(), size_t{2});
  CHECK_EQ(small.n_bytes(), 2 * kFileBytes);
  for (const int i : {1, 5}) CHECK(holds(small, numbered(i, 64), i));
}

TEST(a_budget_for_no_page_keeps_nothing) {
  PagesFolder folder;
  for (const uint64_t max_bytes : {uint64_t{0}, kFileBytes - kWindowBytes}) {
    PageStore none(folder.options(max_bytes));
    CHECK(!save(none, numbered(0, 64), 1));
    CHECK(!none.find(kParent, numbered(0, 64)));
    CHECK(none.take_warnings().empty());
  }
  CHECK(!fs::exists(folder.path));
  PageStore full_parts(folder.options(kFileBytes));
  CHECK(!save(full_parts, numbered(0, 64), 1));
  CHECK(save(full_parts, numbered(0, 64), 1, false));
}

TEST(what_dead_processes_left_is_removed) {
  PagesFolder folder;
  {
    CHECK(save(*std::make_unique<PageStore>(folder.options()), numbered(0, 64), 1));
  }
  const fs::path bucket = fs::path(folder.only_file()).parent_path();
  const std::string dead = bucket / "0123.1.draft";
  const std::string alive = bucket / "4567.1.draft";
  const std::string young = bucket / "4567.2.draft";
  const std::string other = bucket / "notes.txt";
  for (const std::string& path : {dead, alive, young, other}) write_file(path, "text");
  for (const std::string& path : {dead, alive, other}) age(path, 120);
  fs::create_symlink(other, bucket / "89ab.1.draft");
  const FileDescriptor lock(::open(alive.c_str(), O_WRONLY));
  CHECK_EQ(::flock(lock.get(), LOCK_EX), 0);
  PageStore store(folder.options());
  CHECK(!fs::exists(dead));
  CHECK(fs::exists(alive) && fs::exists(young) && fs::exists(other));
  CHECK_EQ(store.n_bytes(), kFileBytes);
  CHECK(holds(store, numbered(0, 64), 1));
}

TEST(links_are_not_followed) {
  PagesFolder folder;
  PageStore store(folder.options());
  CHECK(save(store, numbered(0, 64), 1));
  const std::string file = folder.only_file();
  const std::string target = (folder.dir.path() / "target").string();
  const std::string content = read_file(file);
  fs::rename(file, target);
  fs::create_symlink(target, file);
  CHECK(!store.find(kParent, numbered(0, 64)));
  CHECK(!fs::is_symlink(file));
  fs::create_symlink(target, file);
  CHECK(save(store, numbered(0, 64), 2));
  CHECK(!fs::is_symlink(file));
  // Nor is a folder of pages that lies elsewhere.
  const fs::path bucket = fs::path(file).parent_path();
  const fs::path moved = folder.dir.path() / "moved";
  fs::rename(bucket, moved);
  fs::create_directory_symlink(moved, bucket);
  CHECK(!store.find(kParent, numbered(0, 64)));
  CHECK(!save(store, numbered(0, 64), 3));
  PageStore small(folder.options(2 * kFileBytes));
  CHECK_EQ(small.n_bytes(), uint64_t{0});
  CHECK(fs::exists(moved / fs::path(file).filename()));
  CHECK(read_file(target) == content);
}

TEST(only_whole_pages_can_be_saved) {
  PagesFolder folder;
  PageStore store(folder.options());
  CHECK_THROWS(InternalError, save(store, {}, 1), "internal error");
  CHECK_THROWS(InternalError, save(store, numbered(0, kPageTokens + 1), 1), "internal error");
}

TEST(threads_share_a_store) {
  PagesFolder folder;
  PageStore store(folder.options(20 * kFileBytes));  // of 32 pages
  std::atomic<int> n_loaded = 0;
  const auto work = [&](int thread) {
    for (int i = 0; i < 200; ++i) {
      const int number = (i * 7 + thread * 3) % 32;
      const Tokens tokens = numbered(number * 100, 64);
      if (i % 3 == thread % 3 && !save(store, tokens, number)) return;
      if (holds(store, tokens, number)) ++n_loaded;
      (void)store.n_bytes();
      store.touch(kParent, key_after(kParent, tokens));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  CHECK(n_loaded > 100);
  CHECK(store.take_warnings().empty());
  CHECK(save(store, numbered(9999, 64), 1));
  CHECK(folder.files().size() <= 24);
  for (const fs::path& file : folder.files()) CHECK(is_page_name(file.filename()));
}

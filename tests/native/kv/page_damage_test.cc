// Stored pages that are not as they were written: whatever a file holds, nothing wrong is loaded.
#include <chrono>
#include <csignal>
#include <cstring>
#include <random>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/checksum.h"
#include "kv/page_store.h"
#include "kv/stored_pages.h"
#include "testing.h"

using namespace gptoss;
using namespace gptoss::kv;
using namespace gptoss::testing;

namespace {

constexpr size_t kPayload = 4096;  // where K and V begin

// One page in a folder, to be damaged.
struct Victim {
  PagesFolder folder;
  PageStore store{folder.options()};
  Tokens tokens;
  std::string path, whole;

  explicit Victim(int n_tokens) : tokens(numbered(0, n_tokens)) {
    CHECK(save(store, tokens, 1));
    path = folder.only_file();
    whole = read_file(path);
    CHECK_EQ(whole.size(), kPayload + kFullBytes + kWindowBytes);
  }

  // Whether the page is loaded with another content of the file; holds() checks what is loaded.
  bool survives(const std::string& content) {
    write_file(path, content);
    const bool is_held = holds(store, tokens, 1);
    CHECK_EQ(std::filesystem::exists(path), is_held);
    return is_held;
  }
  bool survives_flip(size_t at, int bit) {
    std::string content = whole;
    content[at] = static_cast<char>(content[at] ^ 1 << bit);
    return survives(content);
  }
};

// Replaces bytes of a header, and makes its checksum fit.
std::string forged(std::string content, size_t at, const void* bytes, size_t n_bytes) {
  std::memcpy(content.data() + at, bytes, n_bytes);
  const auto header = std::as_bytes(std::span(content.data(), sizeof(PageHeader)));
  const uint64_t sum = checksum(header.first(offsetof(PageHeader, header_checksum)));
  std::memcpy(content.data() + offsetof(PageHeader, header_checksum), &sum, sizeof(sum));
  return content;
}

}  // namespace

TEST(every_flipped_bit_of_a_header_is_found) {
  Victim victim(50);
  for (size_t at = 0; at < sizeof(PageHeader); ++at)
    for (int bit = 0; bit < 8; ++bit) CHECK(!victim.survives_flip(at, bit));
  CHECK(victim.survives(victim.whole));
}

TEST(flipped_bits_of_k_and_v_are_found) {
  Victim victim(64);
  for (size_t at = kPayload; at < victim.whole.size(); ++at)
    CHECK(!victim.survives_flip(at, static_cast<int>(at % 8)));
  // Nobody reads what lies between the header and them.
  CHECK(victim.survives_flip(sizeof(PageHeader), 0));
  CHECK(victim.survives_flip(kPayload - 1, 7));
}

TEST(a_damaged_window_part_leaves_the_full_one) {
  Victim victim(64);
  std::string content = victim.whole;
  content.back() = static_cast<char>(content.back() ^ 1);
  write_file(victim.path, content);
  Content loaded;
  const auto entry = victim.store.find(kParent, victim.tokens);
  CHECK(victim.store.load(*entry, victim.tokens, loaded.full.data(), nullptr));
  CHECK(loaded.full == Content(1).full);
  CHECK(!victim.store.load(*entry, victim.tokens, loaded.full.data(), loaded.window.data()));
  CHECK(!victim.store.find(kParent, victim.tokens));
}

TEST(torn_files_are_found) {
  Victim victim(64);
  const size_t size = victim.whole.size();
  for (const size_t border :
       {size_t{0}, size_t{8}, offsetof(PageHeader, tokens), sizeof(PageHeader), size_t{512},
        kPayload, kPayload + kFullBytes, size})
    for (const size_t n : {border - 1, border, border + 1})
      if (n < size) CHECK(!victim.survives(victim.whole.substr(0, n)));
  CHECK(!victim.survives(victim.whole + 'x'));
  CHECK(!victim.survives(victim.whole + victim.whole));
  // Blocks that never reached the disk.
  for (size_t at = 0; at < size; at += 512) {
    std::string content = victim.whole;
    const size_t n = std::min<size_t>(512, size - at);
    content.replace(at, n, n, '\0');
    const bool is_gap = at >= sizeof(PageHeader) && at + n <= kPayload;
    CHECK_EQ(victim.survives(content), is_gap);
  }
  CHECK(victim.survives(victim.whole));
}

TEST(a_warning_names_the_file) {
  Victim victim(64);
  CHECK(!victim.survives_flip(0, 0));
  CHECK(!victim.survives_flip(1, 0));
  const auto warnings = victim.store.take_warnings();
  CHECK_EQ(warnings.size(), size_t{1});
  CHECK(warnings[0].starts_with("removed " + victim.path));
  // A folder of damaged pages is not worth more than some lines.
  for (int i = 0; i < 50; ++i) {
    CHECK(save(victim.store, numbered(i, 3), 1));
    write_file(victim.folder.only_file(), "");
    CHECK(!victim.store.find(kParent, numbered(i, 3)));
  }
  CHECK_EQ(victim.store.take_warnings().size(), size_t{15});
}

TEST(headers_that_lie_are_found) {
  Victim victim(50);
  const auto refuses = [&](size_t at, auto value) {
    return !victim.survives(forged(victim.whole, at, &value, sizeof(value)));
  };
  CHECK(victim.survives(forged(victim.whole, 0, "gptosskv", 8)));
  CHECK(refuses(0, 'G'));
  for (const uint32_t value : {0u, 2u, ~0u}) CHECK(refuses(offsetof(PageHeader, version), value));
  for (const uint32_t value : {0u, 2u, 3u, ~0u}) CHECK(refuses(offsetof(PageHeader, flags), value));
  for (const uint32_t value : {0u, 1u, 49u, 51u, 64u, 65u, 1u << 31, ~0u})
    CHECK(refuses(offsetof(PageHeader, n_tokens), value));
  CHECK(refuses(offsetof(PageHeader, unused), 1u));
  CHECK(refuses(offsetof(PageHeader, identity), uint64_t{1}));
  CHECK(refuses(offsetof(PageHeader, parent), PrefixKey{}));
  CHECK(refuses(offsetof(PageHeader, key), PrefixKey{}));
  CHECK(refuses(offsetof(PageHeader, tokens), -1));
  CHECK(refuses(offsetof(PageHeader, full_checksum), uint64_t{0}));
  CHECK(refuses(offsetof(PageHeader, window_checksum), uint64_t{0}));
}

TEST(a_page_under_the_name_of_another_is_refused) {
  Victim victim(64);
  CHECK(save(victim.store, numbered(5, 64), 2));
  for (const auto& file : victim.folder.files())
    if (file != victim.path) CHECK(!victim.survives(read_file(file)));
}

TEST(what_is_no_file_is_refused) {
  Victim victim(64);
  std::filesystem::remove(victim.path);
  std::filesystem::create_directory(victim.path);
  CHECK(!holds(victim.store, victim.tokens, 1));
  CHECK(!save(victim.store, victim.tokens, 1));
  CHECK_EQ(victim.folder.files().size(), size_t{0});
  std::filesystem::remove(victim.path);
  CHECK_EQ(::mkfifo(victim.path.c_str(), 0600), 0);
  CHECK(!holds(victim.store, victim.tokens, 1));  // and nobody waits for a writer
}

TEST(a_process_that_is_killed_leaves_whole_pages) {
  PagesFolder folder;
  PageStore store(folder.options(1 << 30));
  size_t n_found = 0;
  for (int round = 0; round < 10; ++round) {
    const pid_t child = ::fork();
    CHECK(child >= 0);
    if (child == 0) {
      PageStore writer(folder.options(1 << 30));
      for (int i = 0;; i = (i + 1) % 500) (void)save(writer, numbered(round * 1000 + i, 64), i);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10 + round));
    CHECK_EQ(::kill(child, SIGKILL), 0);
    CHECK_EQ(::waitpid(child, nullptr, 0), child);
    for (int i = 0; i < 500 && holds(store, numbered(round * 1000 + i, 64), i); ++i) ++n_found;
  }
  size_t n_pages = 0;
  for (const auto& file : folder.files()) n_pages += is_page_name(file.filename()) ? 1 : 0;
  CHECK_EQ(n_found, n_pages);
  CHECK(n_found > 0);
  CHECK(store.take_warnings().empty());
}

// Deterministic: the same files in every run. holds() checks that what is loaded is right.
TEST(mutated_files_never_load_wrong_bytes) {
  Victim victim(40);
  std::mt19937 random(5);
  const auto below = [&](size_t n) { return random() % n; };
  int n_survived = 0;
  const int n_files = kThreadSanitizer ? 500 : 5000;
  for (int i = 0; i < n_files; ++i) {
    std::string content = victim.whole;
    for (size_t n = 1 + below(4); n > 0; --n) {
      // Half of all changes to the header, where a byte says more.
      const size_t at = below(below(2) == 0 ? sizeof(PageHeader) : content.size());
      const size_t length = std::min(content.size() - at, 1 + below(below(4) == 0 ? 600 : 8));
      switch (below(6)) {
        case 0:
          content[at] = static_cast<char>(content[at] ^ 1 << below(8));
          break;
        case 1:
          content.replace(at, length, length, static_cast<char>(random()));
          break;
        case 2:
          content.replace(at, length, content, below(content.size()), length);
          break;
        case 3:
          content.erase(at, length);
          break;
        case 4:
          content.insert(at, length, static_cast<char>(random()));
          break;
        default:
          content.resize(std::max(sizeof(PageHeader), at));
          break;
      }
      if (content.size() < sizeof(PageHeader)) content.resize(sizeof(PageHeader));
    }
    if (below(2) == 0) content = forged(content, 0, "gptosskv", 8);
    n_survived += victim.survives(content) ? 1 : 0;
  }
  CHECK(n_survived < n_files / 5);  // only changes in the gap, or none
}

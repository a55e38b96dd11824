// Damaged files: every truncation point of a small file and 12,000 seeded mutations must give a
// ModelFileError or a file whose metadata and tensor bytes can all be read. Run under ASan and
// UBSan this shows there is no stray read.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>

#include <gptoss/error.h>

#include "gguf/part.h"
#include "gguf_builder.h"
#include "gguf_walk.h"
#include "testing.h"

namespace gptoss::gguf {
namespace {

using Data = std::vector<std::byte>;

// True when the file opens; false on ModelFileError. Anything else escapes and fails the test.
bool opens(const Data& data) {
  // An exact heap copy, so that ASan sees the first byte read past the end.
  const auto copy = std::make_unique<std::byte[]>(data.size());
  std::ranges::copy(data, copy.get());
  try {
    CHECK(testing::GgufWalker::walk(parse_part({copy.get(), data.size()}, "m.gguf", 0)) > 0);
    return true;
  } catch (const ModelFileError& error) {
    CHECK(std::string_view(error.what()).starts_with("m.gguf: "));
    return false;
  }
}

class Mutator {
 public:
  // Mutates bytes [0, limit) of copies of `valid`.
  Mutator(const Data& valid, size_t limit, uint32_t seed)
      : valid_(valid), limit_(limit), random_(seed) {}

  Data next() {
    Data data = valid_;
    for (size_t edits = 1 + below(3); edits > 0; --edits) edit(data);
    return data;
  }

 private:
  size_t below(size_t n) { return random_() % n; }

  template <class T>
  void store(Data& data, T value) {
    const size_t at = below(std::min(limit_, data.size()));
    std::memcpy(data.data() + at, &value, std::min(sizeof value, data.size() - at));
  }

  uint64_t interesting() {
    static constexpr uint64_t kValues[] = {0,
                                           1,
                                           2,
                                           3,
                                           8,
                                           31,
                                           32,
                                           33,
                                           39,
                                           63,
                                           64,
                                           65,
                                           99,
                                           255,
                                           256,
                                           65535,
                                           65536,
                                           1 << 24,
                                           INT32_MAX,
                                           UINT32_MAX,
                                           uint64_t{1} << 32,
                                           uint64_t{1} << 60,
                                           uint64_t{1} << 61,
                                           INT64_MAX,
                                           uint64_t{1} << 63,
                                           UINT64_MAX - 31,
                                           UINT64_MAX};
    return kValues[below(std::size(kValues))];
  }

  void edit(Data& data) {
    const size_t at = below(std::min(limit_, data.size()));
    switch (below(7)) {
      case 0:
        data[at] ^= std::byte{1} << below(8);
        break;
      case 1:
        data[at] = static_cast<std::byte>(below(256));
        break;
      case 2:
        store<uint64_t>(data, interesting());
        break;
      case 3:
        store<uint32_t>(data, static_cast<uint32_t>(interesting()));
        break;
      case 4:
        change_length(data);
        break;
      case 5:
        splice(data);
        break;
      case 6:
        data.erase(data.begin() + static_cast<std::ptrdiff_t>(at));
        break;
    }
  }

  // Adds a little to, or subtracts it from, a 64-bit field that looks like a length.
  void change_length(Data& data) {
    for (int tries = 0; tries < 64; ++tries) {
      const size_t at = below(std::min(limit_, data.size()));
      uint64_t value = 0;
      if (at + sizeof value > data.size()) continue;
      std::memcpy(&value, data.data() + at, sizeof value);
      if (value == 0 || value > 4096) continue;
      value += below(9) - 4;
      std::memcpy(data.data() + at, &value, sizeof value);
      return;
    }
  }

  // Copies up to 64 bytes from one place over another.
  void splice(Data& data) {
    const size_t from = below(std::min(limit_, data.size()));
    const size_t to = below(std::min(limit_, data.size()));
    const size_t n = std::min({1 + below(64), data.size() - from, data.size() - to});
    std::memmove(data.data() + to, data.data() + from, n);
  }

  const Data& valid_;
  size_t limit_;
  std::mt19937 random_;
};

int count_opened(size_t limit, uint32_t seed, int n) {
  const Data valid = testing::sample_gguf().build();
  Mutator mutator(valid, std::min(limit, valid.size()), seed);
  int opened = 0;
  for (int i = 0; i < n; ++i) opened += opens(mutator.next()) ? 1 : 0;
  std::printf("%d of %d mutated files still open\n", opened, n);
  return opened;
}

TEST(every_truncation_is_an_error) {
  const Data valid = testing::sample_gguf().build();
  CHECK(opens(valid));
  // The last 12 bytes are padding behind the last tensor.
  for (size_t size = 0; size < valid.size() - 12; ++size) {
    CHECK(!opens(Data(valid.begin(), valid.begin() + static_cast<std::ptrdiff_t>(size))));
  }
}

TEST(mutated_header) {
  const testing::GgufBuilder builder = testing::sample_gguf();
  const size_t header = 24 + builder.metadata.data.size() + builder.table.data.size();
  const int opened = count_opened(header, 1, 11000);
  // Mutations of text and numbers leave a file valid; those of structure do not.
  CHECK(opened > 100);
  CHECK(opened < 10000);
}

TEST(mutated_anywhere) { CHECK(count_opened(SIZE_MAX, 2, 1000) > 10); }

}  // namespace
}  // namespace gptoss::gguf

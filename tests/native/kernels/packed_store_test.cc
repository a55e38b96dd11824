// Packed weights that wait for the next start.
#include "kernels/cpu/packed_store.h"

#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "temp_dir.h"
#include "testing.h"

using namespace gptoss;
using namespace gptoss::kernels;
using cpu::PackedStore;
using gptoss::testing::TempDir;
using quant::TensorType;

namespace {

constexpr size_t kBytes[] = {300, (size_t{2} << 20) + 64, 5};

Matrix shape(size_t index) {
  return {.type = TensorType::q8_0, .rows = 16 * static_cast<int64_t>(index + 1), .cols = 32};
}

Buffer content(size_t index) {
  Buffer buffer(kBytes[index], "a test");
  for (size_t i = 0; i < kBytes[index]; ++i)
    buffer.data()[i] = static_cast<std::byte>(i * 7 + i / 251 + index);
  return buffer;
}

bool holds(const std::byte* data, size_t index) {
  return std::memcmp(data, content(index).data(), kBytes[index]) == 0;
}

// A model of one file in a folder of its own, and the folder for its weights.
struct Model {
  TempDir dir;
  std::string source = (dir.path() / "a model.gguf").string();
  std::string folder = (dir.path() / "cache" / "weights").string();
  uint64_t fingerprint = 1;
  ThreadPool pool{2};

  Model() { write_source("first"); }
  void write_source(const std::string& text) const { std::ofstream(source) << text; }
  PackedStore store() const { return PackedStore(folder, {1 << 20, {source}, fingerprint}); }

  // Keeps all matrices; the name of the file.
  std::string keep_all() {
    PackedStore writer = store();
    for (size_t i = 0; i < std::size(kBytes); ++i) {
      CHECK(writer.next(shape(i), kBytes[i]) == nullptr);
      const std::byte* const data = writer.keep(shape(i), content(i), pool);
      CHECK(data != nullptr && holds(data, i));
    }
    CHECK_EQ(writer.mapped_bytes(), kBytes[0] + kBytes[1] + kBytes[2]);
    CHECK(writer.finish());
    CHECK(std::filesystem::exists(writer.path()));
    return writer.path();
  }

  // How many matrices a new store gives back.
  size_t n_restored() const {
    PackedStore reader = store();
    size_t n = 0;
    for (size_t i = 0; i < std::size(kBytes); ++i) {
      const std::byte* const data = reader.next(shape(i), kBytes[i]);
      if (data == nullptr) break;
      CHECK(holds(data, i));
      CHECK_EQ(reinterpret_cast<uintptr_t>(data) % kHugePage, uintptr_t{0});
      ++n;
    }
    return n;
  }
};

std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

void replace(std::string& text, const std::string& what, const std::string& with) {
  const size_t at = text.find(what);
  CHECK(at != std::string::npos);
  text.replace(at, what.size(), with);
}

}  // namespace

TEST(the_next_start_finds_what_was_kept) {
  Model model;
  const std::string path = model.keep_all();
  CHECK_EQ(model.n_restored(), std::size(kBytes));
  CHECK(path.starts_with(model.folder + "/a model-"));
  const auto entries = std::filesystem::directory_iterator(model.folder);
  CHECK_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST(a_changed_model_is_packed_again) {
  Model model;
  model.keep_all();
  model.write_source("second, longer");
  CHECK_EQ(model.n_restored(), size_t{0});
  CHECK(std::filesystem::is_empty(model.folder));  // no room for what nobody can use
  model.keep_all();
  CHECK_EQ(model.n_restored(), std::size(kBytes));
  model.fingerprint = 2;
  CHECK_EQ(model.n_restored(), size_t{0});
}

TEST(matrices_that_are_asked_for_otherwise_are_packed_again) {
  Model model;
  model.keep_all();
  PackedStore reader = model.store();
  CHECK(reader.next(shape(0), kBytes[0]) != nullptr);
  CHECK(reader.next(shape(2), kBytes[1]) == nullptr);
  CHECK(reader.next(shape(1), kBytes[1]) == nullptr);  // it has given up
  CHECK(reader.keep(shape(1), content(1), model.pool) == nullptr);
  CHECK(reader.finish());
  CHECK(std::filesystem::is_empty(model.folder));  // so the next start keeps what is asked for
}

TEST(a_start_that_ends_early_leaves_nothing) {
  Model model;
  {
    PackedStore writer = model.store();
    CHECK(writer.keep(shape(0), content(0), model.pool) != nullptr);
    CHECK(!std::filesystem::exists(writer.path()));
  }
  CHECK(std::filesystem::is_empty(model.folder));
}

TEST(a_folder_that_cannot_be_is_no_error) {
  Model model;
  PackedStore nowhere(model.source + "/folder", {1, {model.source}, 1});
  CHECK(nowhere.path().empty());
  CHECK(nowhere.keep(shape(0), content(0), model.pool) == nullptr);
  CHECK(nowhere.finish());
  PackedStore no_source(model.folder, {1, {model.source + ".missing"}, 1});
  CHECK(no_source.keep(shape(0), content(0), model.pool) == nullptr);
  PackedStore no_room(model.folder, {size_t{1} << 60, {model.source}, 1});
  CHECK(no_room.keep(shape(0), content(0), model.pool) == nullptr);
}

TEST(a_damaged_file_is_removed) {
  Model model;
  const std::string path = model.keep_all();
  const std::string whole = read(path);
  const std::string offset = " 2097152 ";  // of the first matrix
  const auto restored = [&](const std::string& text) {
    write(path, text);
    return model.n_restored();
  };
  CHECK_EQ(restored(whole), std::size(kBytes));
  const auto changed = [&](const std::string& what, const std::string& with) {
    std::string text = whole;
    replace(text, what, with);
    return restored(text);
  };
  CHECK_EQ(changed("weights 1\n", "weights 2\n"), size_t{0});
  CHECK_EQ(changed("source 5", "source 6"), size_t{0});
  CHECK_EQ(changed("end\n", "end "), size_t{0});
  CHECK_EQ(changed("matrix ", "matrix x"), size_t{0});
  CHECK_EQ(changed(offset, " 2097153 "), size_t{0});
  CHECK_EQ(changed(offset, " 18446744073707454464 "), size_t{0});
  CHECK_EQ(changed(offset, " 99999999999999999999 "), size_t{0});
  CHECK_EQ(changed(offset + "300", offset + "0"), size_t{0});
  CHECK_EQ(changed(offset + "300", offset + "18446744073709551615"), size_t{0});
  CHECK_EQ(changed(offset + "300", offset + "301"), size_t{0});  // not the size of the model's
  for (const size_t n :
       {size_t{0}, size_t{10}, size_t{100}, kHugePage, 2 * kHugePage, whole.size() - 1})
    CHECK_EQ(restored(whole.substr(0, n)), size_t{0});
  CHECK(!std::filesystem::exists(path));
  model.keep_all();
  CHECK_EQ(model.n_restored(), std::size(kBytes));
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  CHECK_EQ(model.n_restored(), size_t{0});
}

TEST(a_disk_that_gets_full_on_the_way) {
  Model model;
  rlimit before = {};
  CHECK_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  (void)std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{3 << 20, before.rlim_max};
  CHECK_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  {
    PackedStore writer = model.store();
    const std::byte* const kept = writer.keep(shape(0), content(0), model.pool);
    CHECK(kept != nullptr);
    CHECK(writer.keep(shape(1), content(1), model.pool) == nullptr);
    CHECK(holds(kept, 0));  // what was mapped stays
    CHECK(writer.finish());
    CHECK(writer.path().empty());
  }
  CHECK_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  CHECK(std::filesystem::is_empty(model.folder));
}

TEST(a_stale_file_and_no_room) {
  Model model;
  const std::string path = model.keep_all();
  PackedStore no_room(model.folder, {size_t{1} << 60, {model.source}, 2});
  CHECK(!std::filesystem::exists(path));
  CHECK(no_room.keep(shape(0), content(0), model.pool) == nullptr);
  CHECK(no_room.finish());
  CHECK_EQ(no_room.mapped_bytes(), size_t{0});
}

// GgufFile and ModelFile on real files: mapping, split models, and errors of the file system.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gptoss/error.h>
#include <gptoss/model_file.h>

#include "gguf/gguf_file.h"
#include "gguf_builder.h"
#include "temp_dir.h"
#include "testing.h"

namespace gptoss::gguf {
namespace {

using testing::GgufBuilder;

class TempDir : public testing::TempDir {
 public:
  std::string write(const std::string& name, const std::vector<std::byte>& data) const {
    const std::string path = at(name);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(data.data()),
               static_cast<std::streamsize>(data.size()));
    return path;
  }
  std::string at(const std::string& name) const { return path() / name; }
};

std::string part_name(int part) {
  return std::string("m-0000").append(std::to_string(part)).append("-of-00003.gguf");
}

// Part `no` (from zero) of three, with one tensor.
GgufBuilder split_part(uint16_t no, uint16_t count = 3, int32_t n_tensors = 3) {
  GgufBuilder b;
  b.key("split.no", GgufBuilder::kU16).put(no);
  b.key("split.count", GgufBuilder::kU16).put(count);
  b.key("split.tensors.count", GgufBuilder::kI32).put(n_tensors);
  if (no == 0) b.text("general.architecture", "gpt-oss");
  b.tensor(std::string("t").append(std::to_string(no)), {uint64_t{8} + no}, quant::TensorType::f32);
  return b;
}

void write_parts(const TempDir& dir) {
  for (uint16_t no = 0; no < 3; ++no) dir.write(part_name(no + 1), split_part(no).build());
}

TEST(open_finds_tensors_by_name) {
  const TempDir dir;
  const std::string path = dir.write("m.gguf", testing::sample_gguf().build());
  GgufFile file = GgufFile::open(path);
  const GgufFile moved = std::move(file);
  CHECK((moved.paths() == std::vector<std::string>{path}));
  CHECK_EQ(moved.tensors().size(), 3U);
  CHECK_EQ(moved.find("token_embd.weight"), &moved.tensors()[0]);
  CHECK(moved.find("token_embd") == nullptr);
  CHECK_EQ(std::to_integer<int>(moved.find("blk.0.ffn_gate_exps.weight")->data[1]), 161);
}

TEST(any_part_opens_the_split_model) {
  const TempDir dir;
  write_parts(dir);
  for (int part = 1; part <= 3; ++part) {
    const GgufFile file = GgufFile::open(dir.at(part_name(part)));
    CHECK_EQ(file.paths().size(), 3U);
    CHECK_EQ(file.paths()[0], dir.at(part_name(1)));
    CHECK(file.metadata().contains("general.architecture"));
    CHECK_EQ(file.tensors().size(), 3U);
    const Tensor* last = file.find("t2");
    CHECK(last != nullptr);
    CHECK_EQ(last->file, 2U);
    CHECK_EQ(last->data.size(), 40U);
  }
}

TEST(missing_part_is_named) {
  const TempDir dir;
  write_parts(dir);
  std::filesystem::remove(dir.at(part_name(2)));
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at(part_name(1))),
               "m-00002-of-00003.gguf: no such file");
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at(part_name(3))), "part 2 of 3");
}

TEST(renamed_part_is_explained) {
  const TempDir dir;
  write_parts(dir);
  std::filesystem::rename(dir.at(part_name(1)), dir.at("model.gguf"));
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at("model.gguf")),
               "must end in '-00001-of-00003.gguf'");
}

TEST(parts_of_different_models) {
  const TempDir dir;
  write_parts(dir);
  dir.write(part_name(3), split_part(1).build());
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at(part_name(1))), "'split.no' is 1, expected 2");
  dir.write(part_name(3), split_part(2, 4).build());
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at(part_name(1))),
               "'split.count' is 4, expected 3");
  dir.write(part_name(3), split_part(2, 3, 5).build());
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at(part_name(1))),
               "'split.tensors.count' is 5, expected 3");
  dir.write(part_name(3), testing::sample_gguf().build());
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at(part_name(1))), "'split.no' is missing");
}

TEST(tensor_in_two_parts) {
  const TempDir dir;
  write_parts(dir);
  GgufBuilder b;
  b.key("split.no", GgufBuilder::kU16).put<uint16_t>(2);
  b.key("split.count", GgufBuilder::kU16).put<uint16_t>(3);
  b.u32("split.tensors.count", 3).tensor("t0", {8}, quant::TensorType::f32);
  dir.write(part_name(3), b.build());
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at(part_name(1))), "tensor 't0': is also in");
}

TEST(damaged_split_keys) {
  const TempDir dir;
  const std::string path = dir.write(part_name(1), split_part(3).build());
  CHECK_THROWS(ModelFileError, GgufFile::open(path), "'split.no': 3 is not below");
  GgufBuilder b;
  b.u32("split.count", 70000);
  dir.write(part_name(1), b.build());
  CHECK_THROWS(ModelFileError, GgufFile::open(path), "'split.count'");
  b = {};
  b.u32("split.count", 2);
  dir.write(part_name(1), b.build());
  CHECK_THROWS(ModelFileError, GgufFile::open(path), "'split.no' is missing");
}

TEST(one_part_needs_no_name) {
  const TempDir dir;
  const std::string path = dir.write("m.gguf", split_part(0, 1, 1).build());
  CHECK_EQ(GgufFile::open(path).tensors().size(), 1U);
  const std::string named = dir.write(part_name(1), testing::sample_gguf().build());
  CHECK_EQ(GgufFile::open(named).paths().size(), 1U);
}

TEST(files_that_cannot_be_opened) {
  const TempDir dir;
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at("absent.gguf")), "absent.gguf: no such file");
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at(".")), "is a folder");
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.write("empty.gguf", {})), "is empty");
  CHECK_EQ(::mkfifo(dir.at("pipe").c_str(), 0600), 0);
  CHECK_THROWS(ModelFileError, GgufFile::open(dir.at("pipe")), "not a regular file");
}

// Gives up root's right to read everything, for as long as it lives.
class Unprivileged {
 public:
  Unprivileged() : uid_(::geteuid()) {
    if (uid_ == 0) CHECK_EQ(::seteuid(65534), 0);
  }
  ~Unprivileged() {
    if (uid_ == 0 && ::seteuid(uid_) != 0) std::abort();
  }

 private:
  uid_t uid_;
};

TEST(file_without_permission) {
  const TempDir dir;
  const std::string path = dir.write("m.gguf", testing::sample_gguf().build());
  std::filesystem::permissions(path, std::filesystem::perms::none);
  const Unprivileged unprivileged;
  CHECK_THROWS(ModelFileError, GgufFile::open(path), "permission denied");
}

// A file as large in its header as the real 20b one: 201,088 tokens, 446,189 merges, 459 tensors.
TEST(full_vocabulary_opens_fast) {
  const TempDir dir;
  GgufBuilder b;
  b.array("tokens", GgufBuilder::kString, 201088);
  for (int i = 0; i < 201088; ++i) b.metadata.string("token" + std::to_string(i % 1000));
  b.array("token_type", GgufBuilder::kI32, 201088).data.resize(b.metadata.data.size() + 201088 * 4);
  b.array("merges", GgufBuilder::kString, 446189);
  for (int i = 0; i < 446189; ++i) b.metadata.string("left right" + std::to_string(i % 1000));
  for (int i = 0; i < 459; ++i) {
    b.tensor(std::string("t").append(std::to_string(i)), {32}, quant::TensorType::q8_0);
  }
  const std::string path = dir.write("m.gguf", b.build());
  const auto start = std::chrono::steady_clock::now();
  const GgufFile file = GgufFile::open(path);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  CHECK_EQ(file.tensors().size(), 459U);
  std::printf("opened the full vocabulary in %.1f ms\n", took.count());
  CHECK(took.count() < 500);  // 10 ms expected; slack for sanitizers and busy machines
}

TEST(model_file_lists_everything) {
  const TempDir dir;
  GgufBuilder b = testing::sample_gguf();
  b.entry("odd", {3}, 99, b.data_size);
  const ModelFile model(dir.write("m.gguf", b.build()));
  const auto metadata = model.metadata();
  CHECK_EQ(metadata.size(), 18U);
  CHECK_EQ(metadata.front().first, "bool");
  const auto tensors = model.tensors();
  CHECK_EQ(tensors.size(), 4U);
  CHECK_EQ(tensors[1].type, "MXFP4");
  CHECK_EQ(tensors[1].n_bytes, 204U);
  CHECK_EQ(tensors[3].type, "type 99");
  CHECK_EQ(tensors[3].n_bytes, 0U);
  CHECK_EQ(model.paths().size(), 1U);
}

}  // namespace
}  // namespace gptoss::gguf

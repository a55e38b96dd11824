// Writes the seed corpus of gguf_fuzzer into the folder argv[1]: small files that reach every
// branch of the parser.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "gguf_builder.h"

namespace {

using gptoss::testing::GgufBuilder;

void write(const std::filesystem::path& dir, const char* name, const GgufBuilder& builder) {
  const std::vector<std::byte> data = builder.build();
  std::ofstream(dir / name, std::ios::binary)
      .write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
}

GgufBuilder every_type() {
  GgufBuilder b;
  for (uint32_t id = 0; id < 64; ++id) {
    if (gptoss::quant::find_type_traits(id) == nullptr) continue;
    b.tensor(std::string("t").append(std::to_string(id)), {256}, gptoss::quant::TensorType{id});
  }
  return b;
}

GgufBuilder split_part() {
  GgufBuilder b;
  b.key("split.no", GgufBuilder::kU16).put<uint16_t>(0);
  b.key("split.count", GgufBuilder::kU16).put<uint16_t>(2);
  b.key("split.tensors.count", GgufBuilder::kI32).put<int32_t>(2);
  b.tensor("t", {8}, gptoss::quant::TensorType::f32);
  return b;
}

GgufBuilder wide_alignment() {
  GgufBuilder b;
  b.version = 2;
  b.alignment = 64;
  b.u32("general.alignment", 64)
      .entry("unknown", {3}, 99, 0)
      .tensor("t", {4, 2}, gptoss::quant::TensorType::f16);
  return b;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const std::filesystem::path dir = argv[1];
  std::filesystem::create_directories(dir);
  write(dir, "sample", gptoss::testing::sample_gguf());
  write(dir, "every_type", every_type());
  write(dir, "split_part", split_part());
  write(dir, "wide_alignment", wide_alignment());
  write(dir, "no_tensors", GgufBuilder{});
  return 0;
}

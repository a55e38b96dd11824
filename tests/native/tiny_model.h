// A small random gpt-oss as a GGUF file in a temporary folder, right or deliberately wrong.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "gguf_builder.h"

namespace gptoss::testing {

// What the file says; a test may change anything before writing it.
struct TinyModel {
  static constexpr int kLayers = 3, kHidden = 64, kFf = 32, kHeads = 8, kKvHeads = 1, kExperts = 6,
                       kVocab = 96;
  struct Entry {
    std::string name;
    std::vector<uint64_t> shape;
    float scale;  // of uniform random weights; 0 for MXFP4
    uint32_t type = static_cast<uint32_t>(quant::TensorType::f32);
  };

  std::vector<std::pair<std::string, uint32_t>> keys = {
      {"gpt-oss.block_count", kLayers},
      {"gpt-oss.context_length", 4096},
      {"gpt-oss.embedding_length", kHidden},
      {"gpt-oss.feed_forward_length", kFf},
      {"gpt-oss.expert_feed_forward_length", kFf},
      {"gpt-oss.expert_count", kExperts},
      {"gpt-oss.expert_used_count", 4},
      {"gpt-oss.attention.head_count", kHeads},
      {"gpt-oss.attention.head_count_kv", kKvHeads},
      {"gpt-oss.attention.key_length", 64},
      {"gpt-oss.attention.value_length", 64},
      {"gpt-oss.attention.sliding_window", 128},
  };
  int n_tokens = kVocab;  // in the vocabulary
  std::vector<Entry> tensors;

  TinyModel() {
    constexpr uint64_t kQuery = kHeads * 64, kKeyValue = kKvHeads * 64;
    tensors = {{"token_embd.weight", {kHidden, kVocab}, 1.0f},
               {"output_norm.weight", {kHidden}, 1.0f},
               {"output.weight", {kHidden, kVocab}, 0.3f}};
    for (int layer = 0; layer < kLayers; ++layer) {
      const std::string prefix = "blk." + std::to_string(layer) + ".";
      const auto linear = [&](const char* name, uint64_t in, uint64_t out) {
        tensors.push_back({prefix + name + ".weight", {in, out}, 0.15f});
        tensors.push_back({prefix + name + ".bias", {out}, 0.1f});
      };
      const auto experts = [&](const char* name, uint64_t in, uint64_t out) {
        tensors.push_back({prefix + name + ".weight",
                           {in, out, kExperts},
                           0,
                           static_cast<uint32_t>(quant::TensorType::mxfp4)});
        tensors.push_back({prefix + name + ".bias", {out, kExperts}, 0.1f});
      };
      tensors.push_back({prefix + "attn_norm.weight", {kHidden}, 1.0f});
      linear("attn_q", kHidden, kQuery);
      linear("attn_k", kHidden, kKeyValue);
      linear("attn_v", kHidden, kKeyValue);
      tensors.push_back({prefix + "attn_sinks.weight", {kHeads}, 1.0f});
      linear("attn_output", kQuery, kHidden);
      tensors.push_back({prefix + "post_attention_norm.weight", {kHidden}, 1.0f});
      linear("ffn_gate_inp", kHidden, kExperts);
      experts("ffn_gate_exps", kHidden, kFf);
      experts("ffn_up_exps", kHidden, kFf);
      experts("ffn_down_exps", kFf, kHidden);
    }
  }

  // The whole file. Tensors of types other than F32 and MXFP4, or of odd sizes, get small bytes.
  std::vector<std::byte> bytes(unsigned seed = 1) const {
    GgufBuilder b;
    b.text("general.architecture", "gpt-oss");
    for (const auto& [name, value] : keys) b.u32(name, value);
    b.key("gpt-oss.rope.freq_base", GgufBuilder::kF32).put(150000.0f);
    Bytes& tokens =
        b.array("tokenizer.ggml.tokens", GgufBuilder::kString, static_cast<uint64_t>(n_tokens));
    for (int token = 0; token < n_tokens; ++token) tokens.string("t" + std::to_string(token));

    Bytes data;
    std::mt19937 random(seed);
    for (const Entry& entry : tensors) {
      b.entry(entry.name, entry.shape, entry.type, data.data.size());
      append(data, entry, random);
      data.pad(b.alignment);
    }
    std::vector<std::byte> file = b.build();
    file.insert(file.end(), data.data.begin(), data.data.end());
    return file;
  }

 private:
  static void append(Bytes& data, const Entry& entry, std::mt19937& random) {
    uint64_t n = 1;
    for (const uint64_t dim : entry.shape) n *= dim;
    const quant::TypeTraits* traits = quant::find_type_traits(entry.type);
    const uint64_t n_bytes = traits != nullptr ? n / traits->block_items * traits->block_bytes : n;
    if (entry.type == static_cast<uint32_t>(quant::TensorType::f32)) {
      std::uniform_real_distribution<float> uniform(-1, 1);
      for (uint64_t i = 0; i < n; ++i) data.put(uniform(random) * entry.scale);
    } else if (entry.type == static_cast<uint32_t>(quant::TensorType::mxfp4)) {
      for (uint64_t i = 0; i < n_bytes; ++i)  // scale bytes around 2^-4
        data.put(static_cast<uint8_t>(i % 17 == 0 ? 122 + random() % 3 : random() % 256));
    } else {
      for (uint64_t i = 0; i < n_bytes; ++i) data.put(static_cast<uint8_t>(random() % 16));
    }
  }
};

// A file that lives as long as this object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<std::byte>& bytes) {
    char name[] = "/tmp/gptoss-test-XXXXXX";
    const int file = mkstemp(name);
    if (file < 0) throw std::runtime_error("cannot make a temporary file");
    ::close(file);
    path_ = name;
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One sound model for all tests of a program.
inline const std::string& tiny_model_path() {
  static const TemporaryFile file(TinyModel().bytes());
  return file.path();
}

}  // namespace gptoss::testing

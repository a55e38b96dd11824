// A small random gpt-oss as a GGUF file in a temporary folder.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <unistd.h>

#include "gguf_builder.h"

namespace gptoss::testing {

class TinyModel {
 public:
  static constexpr int kLayers = 3, kHidden = 64, kFf = 32, kHeads = 8, kKvHeads = 1, kExperts = 6,
                       kVocab = 96;

  // `seed` decides the weights. `damage` may change the builder's keys before the file is written.
  explicit TinyModel(unsigned seed = 1, uint64_t context = 4096) {
    GgufBuilder b;
    add_keys(b, context);
    add_tensors(b);
    std::vector<std::byte> bytes = b.build();
    fill(bytes, bytes.size() - b.data_size, seed);
    char name[] = "/tmp/gptoss-test-XXXXXX";
    const int file = mkstemp(name);
    if (file < 0) throw std::runtime_error("cannot make a temporary file");
    ::close(file);
    path_ = name;
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  ~TinyModel() { std::remove(path_.c_str()); }
  TinyModel(const TinyModel&) = delete;
  TinyModel& operator=(const TinyModel&) = delete;

  const std::string& path() const { return path_; }

 private:
  struct Entry {
    uint64_t offset, n_bytes;
    quant::TensorType type;
    float scale;
  };

  void add_keys(GgufBuilder& b, uint64_t context) {
    b.text("general.architecture", "gpt-oss")
        .u32("gpt-oss.block_count", kLayers)
        .u32("gpt-oss.context_length", static_cast<uint32_t>(context))
        .u32("gpt-oss.embedding_length", kHidden)
        .u32("gpt-oss.feed_forward_length", kFf)
        .u32("gpt-oss.expert_feed_forward_length", kFf)
        .u32("gpt-oss.expert_count", kExperts)
        .u32("gpt-oss.expert_used_count", 4)
        .u32("gpt-oss.attention.head_count", kHeads)
        .u32("gpt-oss.attention.head_count_kv", kKvHeads)
        .u32("gpt-oss.attention.key_length", 64)
        .u32("gpt-oss.attention.value_length", 64)
        .u32("gpt-oss.attention.sliding_window", 128);
    b.key("gpt-oss.rope.freq_base", GgufBuilder::kF32).put(150000.0f);
    Bytes& tokens = b.array("tokenizer.ggml.tokens", GgufBuilder::kString, kVocab);
    for (int token = 0; token < kVocab; ++token) tokens.string("t" + std::to_string(token));
  }

  void add_tensors(GgufBuilder& b) {
    constexpr uint64_t kQuery = kHeads * 64, kKeyValue = kKvHeads * 64;
    const auto add = [&](const std::string& name, const std::vector<uint64_t>& shape, float scale,
                         quant::TensorType type = quant::TensorType::f32) {
      uint64_t n = 1;
      for (const uint64_t dim : shape) n *= dim;
      entries_.push_back({b.data_size, quant::row_bytes(type, n), type, scale});
      b.tensor(name, shape, type);
    };
    const auto linear = [&](const std::string& name, uint64_t in, uint64_t out) {
      add(name + ".weight", {in, out}, 0.15f);
      add(name + ".bias", {out}, 0.1f);
    };
    add("token_embd.weight", {kHidden, kVocab}, 1.0f);
    add("output_norm.weight", {kHidden}, 1.0f);
    add("output.weight", {kHidden, kVocab}, 0.3f);
    for (int layer = 0; layer < kLayers; ++layer) {
      const std::string prefix = "blk." + std::to_string(layer) + ".";
      add(prefix + "attn_norm.weight", {kHidden}, 1.0f);
      linear(prefix + "attn_q", kHidden, kQuery);
      linear(prefix + "attn_k", kHidden, kKeyValue);
      linear(prefix + "attn_v", kHidden, kKeyValue);
      add(prefix + "attn_sinks.weight", {kHeads}, 1.0f);
      linear(prefix + "attn_output", kQuery, kHidden);
      add(prefix + "post_attention_norm.weight", {kHidden}, 1.0f);
      linear(prefix + "ffn_gate_inp", kHidden, kExperts);
      for (const auto& [name, in, out] : {std::tuple{"ffn_gate_exps", kHidden, kFf},
                                          {"ffn_up_exps", kHidden, kFf},
                                          {"ffn_down_exps", kFf, kHidden}}) {
        const auto n_in = static_cast<uint64_t>(in), n_out = static_cast<uint64_t>(out);
        add(prefix + name + ".weight", {n_in, n_out, kExperts}, 0, quant::TensorType::mxfp4);
        add(prefix + name + ".bias", {n_out, kExperts}, 0.1f);
      }
    }
  }

  void fill(std::vector<std::byte>& bytes, size_t data_begin, unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (const Entry& entry : entries_) {
      std::byte* data = bytes.data() + data_begin + entry.offset;
      if (entry.type == quant::TensorType::mxfp4) {
        for (uint64_t i = 0; i < entry.n_bytes; ++i)  // scale bytes around 2^-4
          data[i] = i % 17 == 0 ? std::byte(122 + random() % 3) : std::byte(random() % 256);
      } else {
        for (uint64_t i = 0; i < entry.n_bytes; i += 4) {
          const float value = uniform(random) * entry.scale;
          std::memcpy(data + i, &value, 4);
        }
      }
    }
  }

  std::vector<Entry> entries_;
  std::string path_;
};

}  // namespace gptoss::testing

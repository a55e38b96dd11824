#include "model/config.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <sstream>

#include "base/family.h"
#include "gguf/cursor.h"

namespace gptoss::model {
namespace {

// Typed access to the metadata that collects problems instead of stopping at the first.
class KeyReader {
 public:
  KeyReader(const gguf::GgufFile& file, std::vector<std::string>& problems)
      : file_(file), problems_(problems) {}

  // The prefix of the keys: "gpt-oss", or "gptoss" as Ollama's own files before 2026 have it.
  // Empty for another kind of model, whose other keys are then not worth complaining about.
  std::string architecture() {
    const gguf::Value* value = find("general.architecture");
    const auto* name = value != nullptr ? std::get_if<std::string_view>(value) : nullptr;
    if (name != nullptr && (*name == "gpt-oss" || *name == "gptoss")) return std::string(*name);
    problems_.push_back(name == nullptr
                            ? "key general.architecture is missing; expected 'gpt-oss'"
                            : "general.architecture is '" + std::string(*name) +
                                  "'; this engine runs gpt-oss only (llama.cpp runs others)");
    return "";
  }

  // A count in [least, most], or 0 after a problem. `fallback` stands in for a key that some files
  // lack, or hold as 0.
  int64_t count(const std::string& key, int64_t least, int64_t most,
                std::optional<int64_t> fallback = {}) {
    const gguf::Value* value = find(key);
    if (value == nullptr) return missing(key, fallback);
    int64_t number = 0;
    if (const auto* u = std::get_if<uint64_t>(value)) {
      number = static_cast<int64_t>(
          std::min(*u, static_cast<uint64_t>(std::numeric_limits<int64_t>::max())));
    } else if (const auto* i = std::get_if<int64_t>(value)) {
      number = *i;
    } else {
      problems_.push_back("key " + key + " is no whole number");
      return 0;
    }
    if (number == 0 && fallback) return *fallback;
    if (number >= least && number <= most) return number;
    std::string expected = std::to_string(least);
    if (least != most) expected += " to " + std::to_string(most);
    problems_.push_back("key " + key + " is " + std::to_string(number) + ", expected " + expected);
    return 0;
  }

  // A real number in [least, most], or 0 after a problem; fallback as above.
  float real(const std::string& key, double least, double most,
             std::optional<float> fallback = {}) {
    const gguf::Value* value = find(key);
    if (value == nullptr) return missing(key, fallback);
    double number = 0;
    if (const auto* d = std::get_if<double>(value)) {
      number = *d;
    } else if (const auto* u = std::get_if<uint64_t>(value)) {
      number = static_cast<double>(*u);
    } else {
      problems_.push_back("key " + key + " is no number");
      return 0;
    }
    if (number == 0 && fallback) return *fallback;
    if (number >= least && number <= most) return static_cast<float>(number);
    std::ostringstream text;
    text << "key " << key << " is " << number << ", expected " << least << " to " << most;
    problems_.push_back(text.str());
    return 0;
  }

  bool has(const std::string& key) const { return find(key) != nullptr; }

  int64_t array_length(const std::string& key) {
    const gguf::Value* value = find(key);
    const auto* strings =
        value != nullptr ? std::get_if<std::vector<std::string_view>>(value) : nullptr;
    if (strings != nullptr && !strings->empty()) return std::ssize(*strings);
    problems_.push_back("key " + key + " is missing or no list of strings");
    return 0;
  }

  void expect_text(const std::string& key, std::string_view expected) {
    const gguf::Value* value = find(key);
    if (value == nullptr) return;
    const auto* text = std::get_if<std::string_view>(value);
    if (text == nullptr || *text != expected)
      problems_.push_back("key " + key + " is " +
                          (text != nullptr ? gguf::quoted(*text) : "no text") + ", expected '" +
                          std::string(expected) + "'");
  }

 private:
  template <typename T>
  T missing(const std::string& key, std::optional<T> fallback) {
    if (!fallback) problems_.push_back("key " + key + " is missing");
    return fallback.value_or(0);
  }

  const gguf::Value* find(std::string_view key) const {
    const auto found = file_.metadata().find(key);
    return found != file_.metadata().end() ? &found->second : nullptr;
  }

  const gguf::GgufFile& file_;
  std::vector<std::string>& problems_;
};

constexpr int64_t kMaxWidth =
    1 << 20;  // far above any plausible model; keeps products within 64 bits

void require_block_multiple(const char* what, int64_t width, std::vector<std::string>& problems) {
  if (width % kBlock != 0)
    problems.push_back(std::string(what) + " is " + std::to_string(width) +
                       ", expected a multiple of " + std::to_string(kBlock));
}

}  // namespace

bool Config::has_all_sizes() const {
  return n_layers > 0 && n_experts > 0 && n_heads > 0 && n_kv_heads > 0 && hidden > 0 && ff > 0 &&
         n_vocab > 0;
}

int64_t Config::query_width() const { return static_cast<int64_t>(n_heads) * kHeadDim; }
int64_t Config::key_value_width() const { return static_cast<int64_t>(n_kv_heads) * kHeadDim; }

Config read_config(const gguf::GgufFile& file, std::vector<std::string>& problems) {
  KeyReader keys(file, problems);
  Config config;
  const std::string architecture = keys.architecture();
  if (architecture.empty()) return config;
  const std::string prefix = architecture + ".";
  config.n_layers = static_cast<int>(keys.count(prefix + "block_count", 1, 1024));
  config.n_experts = static_cast<int>(keys.count(prefix + "expert_count", kExpertsPerToken, 4096));
  config.n_kv_heads = static_cast<int>(keys.count(prefix + "attention.head_count_kv", 1, 1024));
  config.n_heads = static_cast<int>(keys.count(prefix + "attention.head_count",
                                               int64_t{config.n_kv_heads} * kQueryGroup,
                                               int64_t{config.n_kv_heads} * kQueryGroup));
  config.hidden = keys.count(prefix + "embedding_length", kBlock, kMaxWidth);
  // Some files have the width of an expert under the older key only.
  const bool has_expert_ff = keys.has(prefix + "expert_feed_forward_length");
  config.ff =
      keys.count(prefix + (has_expert_ff ? "expert_feed_forward_length" : "feed_forward_length"),
                 kBlock, kMaxWidth);
  config.n_ctx_train = keys.count(prefix + "context_length", 1, int64_t{1} << 30);
  config.n_vocab = keys.array_length("tokenizer.ggml.tokens");
  config.norm_epsilon =
      keys.real(prefix + "attention.layer_norm_rms_epsilon", 1e-12, 1e-1, config.norm_epsilon);
  config.rope_theta = keys.real(prefix + "rope.freq_base", 1.0, 1e12);
  config.rope_factor = keys.real(prefix + "rope.scaling.factor", 1.0, 1e6, config.rope_factor);
  config.rope_original_ctx = keys.count(prefix + "rope.scaling.original_context_length", 1,
                                        int64_t{1} << 30, config.rope_original_ctx);
  config.rope_beta_fast =
      keys.real(prefix + "rope.scaling.yarn_beta_fast", 1e-3, 1e6, config.rope_beta_fast);
  config.rope_beta_slow =
      keys.real(prefix + "rope.scaling.yarn_beta_slow", 1e-3, 1e6, config.rope_beta_slow);

  keys.expect_text(prefix + "rope.scaling.type", "yarn");
  keys.count(prefix + "expert_used_count", kExpertsPerToken, kExpertsPerToken, kExpertsPerToken);
  keys.count(prefix + "attention.key_length", kHeadDim, kHeadDim);
  keys.count(prefix + "attention.value_length", kHeadDim, kHeadDim);
  keys.count(prefix + "attention.sliding_window", kWindow, kWindow);
  keys.count(prefix + "attention.sliding_window_pattern", 2, 2, 2);
  require_block_multiple("embedding_length", config.hidden, problems);
  require_block_multiple("expert_feed_forward_length", config.ff, problems);
  return config;
}

}  // namespace gptoss::model

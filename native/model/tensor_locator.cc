#include "model/tensor_locator.h"

#include <algorithm>

#include "base/check.h"
#include "gguf/cursor.h"

namespace gptoss::model {
namespace {

// Ollama's names before 2026, for tensors that are otherwise the same.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"attn_output.weight", "attn_out.weight"},
    {"attn_output.bias", "attn_out.bias"},
    {"attn_sinks.weight", "attn_sinks"},
    {"post_attention_norm.weight", "ffn_norm.weight"},
};

// Types that GGUF files may have and nothing here reads, for error messages.
constexpr std::pair<uint32_t, std::string_view> kOtherTypes[] = {
    {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
    {19, "IQ1_S"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {24, "I8"},     {25, "I16"},
    {26, "I32"},   {27, "I64"},   {28, "F64"},     {29, "IQ1_M"},  {34, "TQ1_0"},
    {35, "TQ2_0"}, {40, "NVFP4"}, {41, "Q1_0"},    {42, "Q2_0"},
};

std::string shape_text(std::span<const uint64_t> shape) {
  std::string text = "[";
  for (const uint64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

bool is_readable(const TensorSpec& spec, uint32_t type_id) {
  using quant::TensorType;
  if (quant::find_type_traits(type_id) == nullptr) return false;
  const auto type = static_cast<TensorType>(type_id);
  const bool is_plain =
      type == TensorType::f32 || type == TensorType::f16 || type == TensorType::bf16;
  return spec.role == Role::dense || spec.role == Role::experts || is_plain;
}

// A name from the file as it stands if it is plain, else quoted with what is unprintable escaped.
std::string readable(std::string_view name) {
  const bool is_plain =
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  return is_plain ? std::string(name) : gguf::quoted(name);
}

std::string type_text(uint32_t type_id) {
  const quant::TypeTraits* traits = quant::find_type_traits(type_id);
  if (traits != nullptr) return traits->name;
  for (const auto& [id, name] : kOtherTypes)
    if (id == type_id) return std::string(name);
  return std::to_string(type_id);
}

}  // namespace

std::vector<TensorLocator::Candidate> TensorLocator::candidates(int layer,
                                                                const TensorSpec& spec) const {
  const std::string prefix = layer_prefix(layer);
  const bool is_matrix = spec.role != Role::floats;
  const int64_t n_outputs = size_of(spec.shape[is_matrix ? 1 : 0], config_);
  std::vector<Candidate> list{{prefix + std::string(spec.name), 0, 1, n_outputs}};
  for (const auto& [name, alias] : kAliases)
    if (name == spec.name) list.push_back({prefix + std::string(alias), 0, 1, n_outputs});

  // Fused: q, k and v one under the other; gate and up with their rows interleaved.
  const std::string_view suffix = is_matrix ? "weight" : "bias";
  const int64_t query = config_.query_width(), key_value = config_.key_value_width();
  const auto is = [&](std::string_view stem) {
    return spec.name.size() == stem.size() + suffix.size() && spec.name.starts_with(stem) &&
           spec.name.ends_with(suffix);
  };
  const std::string qkv = prefix + "attn_qkv." + std::string(suffix),
                    gate_up = prefix + "ffn_gate_up_exps." + std::string(suffix);
  if (is("attn_q.")) list.push_back({qkv, 0, 1, query + 2 * key_value});
  if (is("attn_k.")) list.push_back({qkv, query, 1, query + 2 * key_value});
  if (is("attn_v.")) list.push_back({qkv, query + key_value, 1, query + 2 * key_value});
  if (is("ffn_gate_exps.")) list.push_back({gate_up, 0, 2, 2 * config_.ff});
  if (is("ffn_up_exps.")) list.push_back({gate_up, 1, 2, 2 * config_.ff});
  return list;
}

void TensorLocator::check_tensor(const Location& location, const TensorSpec& spec,
                                 std::vector<std::string>& problems) const {
  const gguf::Tensor& tensor = *location.tensor;
  std::vector<uint64_t> expected;
  for (const Dim dim : spec.shape)
    if (dim != Dim::none) expected.push_back(static_cast<uint64_t>(size_of(dim, config_)));
  expected[spec.role != Role::floats ? 1 : 0] = static_cast<uint64_t>(location.n_outputs);
  // Trailing dimensions of size 1 may be written or left out.
  std::vector<uint64_t> actual = tensor.shape;
  while (actual.size() > expected.size() && actual.back() == 1) actual.pop_back();
  while (actual.size() < expected.size() && expected[actual.size()] == 1) actual.push_back(1);

  const std::string name = "tensor " + readable(tensor.name);
  if (actual != expected)
    problems.push_back(name + " has shape " + shape_text(tensor.shape) + ", expected " +
                       shape_text(expected));
  if (!is_readable(spec, tensor.type_id))
    problems.push_back(
        name + " has type " + type_text(tensor.type_id) + ", which cannot be read here" +
        (spec.role == Role::floats || spec.role == Role::router ? "; expected F32, F16 or BF16"
                                                                : ""));
}

std::optional<Location> TensorLocator::find(int layer, const TensorSpec& spec) const {
  for (const Candidate& candidate : candidates(layer, spec))
    if (const gguf::Tensor* tensor = file_.find(candidate.name))
      return Location{tensor, candidate.begin, candidate.step, candidate.n_outputs};
  return std::nullopt;
}

void TensorLocator::check_all(std::vector<std::string>& problems) const {
  // Every tensor that is used is checked, and a fused one, which several specs use, once.
  std::set<const gguf::Tensor*> used;
  const auto check = [&](int layer, std::span<const TensorSpec> specs) {
    for (const TensorSpec& spec : specs) {
      const auto location = find(layer, spec);
      if (!location)
        problems.push_back("tensor " + layer_prefix(layer) + std::string(spec.name) +
                           " is missing");
      else if (used.insert(location->tensor).second)
        check_tensor(*location, spec, problems);
    }
  };
  check(-1, model_tensors());
  for (int layer = 0; layer < config_.n_layers; ++layer) check(layer, layer_tensors());
  for (const gguf::Tensor& tensor : file_.tensors())
    if (!used.contains(&tensor))
      problems.push_back("tensor " + readable(tensor.name) +
                         " is not part of gpt-oss; computing without it would be wrong");
}

Location TensorLocator::locate(int layer, std::string_view name) const {
  const auto specs = layer < 0 ? model_tensors() : layer_tensors();
  const auto spec =
      std::find_if(specs.begin(), specs.end(), [&](const TensorSpec& s) { return s.name == name; });
  GPTOSS_CHECK(spec != specs.end());
  const auto location = find(layer, *spec);
  GPTOSS_CHECK(location.has_value());
  return *location;
}

}  // namespace gptoss::model

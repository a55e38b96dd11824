#include "model/model.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <gptoss/error.h>

#include "model/rope.h"
#include "model/tensor_locator.h"

namespace gptoss::model {
namespace {

// A file with more findings than this is another kind of file, and its list would help nobody.
constexpr size_t kMostProblemsShown = 1000;

// One line for one problem, a list for several.
[[noreturn]] void throw_problems(const std::string& path,
                                 const std::vector<std::string>& problems) {
  if (problems.size() == 1) throw ModelFileError(path + ": " + problems.front());
  std::string message = path + ": " + std::to_string(problems.size()) + " problems";
  for (size_t i = 0; i < std::min(problems.size(), kMostProblemsShown); ++i)
    message += "\n  - " + problems[i];
  if (problems.size() > kMostProblemsShown) message += "\n  - ...";
  throw ModelFileError(message);
}

}  // namespace

std::unique_ptr<Model> Model::load(const std::string& path, kernels::Ops& ops, ThreadPool& pool,
                                   const LoadProgress& progress) {
  gguf::GgufFile file = gguf::GgufFile::open(path);
  std::vector<std::string> problems;
  Config config = read_config(file, problems);
  // Shapes can only be judged against sizes.
  if (config.has_all_sizes()) TensorLocator(file, config).check_all(problems);
  if (!problems.empty()) throw_problems(path, problems);
  return std::unique_ptr<Model>(new Model(std::move(file), config, ops, pool, progress));
}

Model::Model(gguf::GgufFile file, Config config, kernels::Ops& ops, ThreadPool& pool,
             const LoadProgress& progress)
    : file_(std::move(file)),
      config_(config),
      ops_(ops),
      rope_(make_rope(config)),
      weights_(file_, config_, ops, pool, progress) {}

kernels::Limits Model::limits(int n_step_tokens, int n_logits_rows, int64_t n_positions) const {
  return {.n_tokens = n_step_tokens,
          .n_logits_rows = n_logits_rows,
          .n_positions = n_positions,
          .widest_row = std::max({config_.hidden, config_.ff, config_.query_width()}),
          .n_experts = config_.n_experts,
          .n_vocab = static_cast<int32_t>(config_.n_vocab)};
}

void Model::reserve(int n_step_tokens, int n_logits_rows, int64_t n_positions) {
  ops_.reserve(limits(n_step_tokens, n_logits_rows, n_positions));
  activations_ = std::make_unique<Activations>(config_, n_step_tokens, n_logits_rows);
}

size_t Model::step_bytes(int n_step_tokens, int n_logits_rows, int64_t n_positions) const {
  return ops_.scratch_bytes(limits(n_step_tokens, n_logits_rows, n_positions)) +
         Activations::n_bytes(config_, n_step_tokens, n_logits_rows);
}

kv::KvShape Model::kv_shape() const {
  return {config_.n_layers, config_.n_kv_heads, ops_.head_page_bytes()};
}

}  // namespace gptoss::model

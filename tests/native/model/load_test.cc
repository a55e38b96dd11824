// Files whose header is sound GGUF but whose contents are not gpt-oss: every one is refused by
// name, or computes without touching a byte it should not.
#include <random>

#include <gptoss/error.h>

#include "base/check.h"
#include "idle_ops.h"
#include "kernels/devices.h"
#include "kv/kv_cache.h"
#include "model/model.h"
#include "testing.h"
#include "tiny_model.h"

using namespace gptoss;
using testing::TinyModel;

namespace {

constexpr uint32_t kTypes[] = {0, 1, 2, 3, 4, 6, 7, 8, 10, 12, 14, 20, 23, 30, 39, 99};

// Loads and computes two steps; false when the file is refused.
bool loads(const TinyModel& model) {
  const testing::TemporaryFile file(model.bytes());
  static ThreadPool pool(2);
  const auto ops = kernels::make_reference_ops(pool);
  std::unique_ptr<model::Model> loaded;
  try {
    loaded = model::Model::load(file.path(), *ops, pool);
  } catch (const ModelFileError& error) {
    CHECK(std::string(error.what()).starts_with(file.path()));
    return false;
  }
  loaded->reserve(8, 8, 64);
  kv::KvCache cache(loaded->kv_shape(), {64, 1, 8});
  kv::PageTable table;
  CHECK(cache.extend(table, 8));
  for (int64_t begin : {0, 5}) {
    const std::vector<int32_t> tokens(begin == 0 ? 5 : 3, 0), rows{0};
    const kernels::SequenceRows sequence{.n_rows = static_cast<int>(tokens.size()),
                                         .position_begin = begin,
                                         .pages = table.full.data(),
                                         .window_pages = table.window.data()};
    CHECK(loaded->forward({tokens, {&sequence, 1}}, cache.storage(), [] { return false; }));
    loaded->logits(rows);
  }
  return true;
}

std::string refusal(const TinyModel& model) {
  const testing::TemporaryFile file(model.bytes());
  ThreadPool pool(1);
  const auto ops = kernels::make_reference_ops(pool);
  try {
    model::Model::load(file.path(), *ops, pool);
  } catch (const ModelFileError& error) {
    return error.what();
  }
  return "loaded";
}

TinyModel::Entry& find(TinyModel& model, const std::string& name) {
  for (TinyModel::Entry& entry : model.tensors)
    if (entry.name == name) return entry;
  throw std::runtime_error("no tensor " + name);
}

void remove(TinyModel& model, const std::string& name) {
  std::erase_if(model.tensors, [&](const TinyModel::Entry& entry) { return entry.name == name; });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// One random change of the structure.
void mutate(TinyModel& model, std::mt19937& random) {
  static const std::vector<std::string> kNames = {
      "attn_qkv.weight", "attn_qkv.bias", "ffn_gate_up_exps.weight", "ffn_gate_up_exps.bias",
      "attn_out.weight", "attn_sinks",    "ffn_norm.weight",         "attn_q.weight"};
  const auto pick = [&](size_t n) { return random() % n; };
  TinyModel::Entry& entry = model.tensors[pick(model.tensors.size())];
  const std::string prefix =
      entry.name.substr(0, entry.name.rfind('.', entry.name.rfind('.') - 1) + 1);
  const uint64_t sizes[] = {0, 1, 2, 3, 31, 32, 63, 64, 65, 96, 128, 192, 640, 1ull << 20};
  switch (pick(8)) {
    case 0:
      entry.name = prefix + kNames[pick(kNames.size())];
      break;
    case 1:
      entry.type = kTypes[pick(std::size(kTypes))];
      break;
    case 2:
      entry.shape[pick(entry.shape.size())] = sizes[pick(std::size(sizes) - 1)];
      break;
    case 3:
      entry.shape.pop_back();
      break;
    case 4:
      entry.shape.push_back(1 + pick(2));
      break;
    case 5:
      std::swap(entry.shape, model.tensors[pick(model.tensors.size())].shape);
      break;
    case 6:
      model.keys[pick(model.keys.size())].second =
          static_cast<uint32_t>(sizes[pick(std::size(sizes))]);
      break;
    case 7:
      model.n_tokens = static_cast<int>(sizes[pick(12)]);
      break;
  }
  if (entry.shape.empty()) entry.shape = {64};
}

}  // namespace

TEST(the_sound_model_loads) { CHECK(loads(TinyModel())); }

TEST(random_changes_of_the_structure_are_refused_or_harmless) {
  std::mt19937 random(3);
  int n_loaded = 0;
  constexpr int kRounds = testing::kThreadSanitizer ? 50 : 1500;
  for (int round = 0; round < kRounds; ++round) {
    TinyModel model;
    for (unsigned n = 1 + random() % 4; n > 0; --n) mutate(model, random);
    n_loaded += loads(model);
  }
  CHECK(n_loaded > 0 && n_loaded < kRounds / 2);
}

TEST(a_fused_tensor_is_checked_for_whoever_uses_it) {
  // A proper attn_q beside an attn_qkv that only k and v would come from.
  TinyModel model;
  remove(model, "blk.1.attn_k.weight");
  TinyModel::Entry& fused = find(model, "blk.1.attn_v.weight");
  fused.name = "blk.1.attn_qkv.weight";
  fused.shape = {32, 1};
  CHECK(contains(refusal(model), "blk.1.attn_qkv.weight has shape [32, 1], expected [64, 640]"));
  fused.shape = {64, 640};
  CHECK(loads(model));
  fused.type = 99;
  CHECK(contains(refusal(model), "blk.1.attn_qkv.weight has type"));

  TinyModel experts;
  remove(experts, "blk.0.ffn_up_exps.weight");
  experts.tensors.push_back({"blk.0.ffn_gate_up_exps.weight", {64, 2, 6}, 0.1f});
  CHECK(contains(refusal(experts), "ffn_gate_up_exps.weight has shape [64, 2, 6]"));
}

TEST(a_vocabulary_of_one_token) {
  TinyModel model;
  model.n_tokens = 1;
  find(model, "token_embd.weight").shape = {64};
  find(model, "output.weight").shape = {64};
  CHECK(loads(model));
}

TEST(names_of_any_bytes_are_shown_escaped) {
  TinyModel model;
  find(model, "output.weight").name = "out\n\x1b[31m\xff\xfe";
  const std::string message = refusal(model);
  CHECK(contains(message, "output.weight is missing"));
  for (const char c : message) CHECK(c == '\n' || (c >= ' ' && c <= '~'));
  CHECK(!contains(message, "\n\x1b"));
}

TEST(the_older_width_key_is_needed_only_without_the_newer) {
  TinyModel model;
  std::erase_if(model.keys,
                [](const auto& key) { return key.first == "gpt-oss.feed_forward_length"; });
  CHECK(loads(model));
  model.keys[4].first = "gpt-oss.feed_forward_length";
  CHECK_EQ(model.keys[4].second,
           static_cast<uint32_t>(TinyModel::kExperts));  // expert_count now gone
  CHECK(contains(refusal(model), "expert_count is missing"));
}

namespace {

// Loses what it adopted the first time.
class ForgetfulOps final : public testing::IdleOps {
 public:
  explicit ForgetfulOps(int n_losses) : n_losses_(n_losses) {}
  kernels::Matrix adopt(const kernels::Matrix& host, kernels::Use) override {
    ++n_adopted;
    return host;
  }
  bool finish_weights() override { return --n_losses_ < 0; }
  int n_adopted = 0;

 private:
  int n_losses_;
};

}  // namespace

TEST(weights_that_a_device_lost_are_adopted_again) {
  ThreadPool pool(1);
  ForgetfulOps steady(0), forgetful(1), hopeless(2);
  (void)model::Model::load(testing::tiny_model_path(), steady, pool);
  const auto model = model::Model::load(testing::tiny_model_path(), forgetful, pool);
  CHECK(steady.n_adopted > 0);
  CHECK_EQ(forgetful.n_adopted, 2 * steady.n_adopted);
  CHECK(model->config().n_layers > 0);
  CHECK_THROWS(InternalError, model::Model::load(testing::tiny_model_path(), hopeless, pool),
               "lost twice");
}

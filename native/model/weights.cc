#include "model/weights.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/memory.h"
#include "model/tensor_locator.h"
#include "quant/codec.h"

namespace gptoss::model {
namespace {

using kernels::Linear;
using kernels::Matrix;
using quant::TensorType;

bool is_computed_natively(TensorType type) {
  switch (type) {
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16:
    case TensorType::q8_0:
    case TensorType::mxfp4:
    case TensorType::mxfp4_pairs:
      return true;
    default:
      return false;
  }
}

}  // namespace

// Turns located tensors into operands.
class Weights::Loader {
 public:
  Loader(const gguf::GgufFile& file, const Config& config, kernels::Ops& ops, ThreadPool& pool,
         std::vector<Buffer>& converted, const LoadProgress& progress, size_t n_bytes)
      : locator_(file, config),
        ops_(ops),
        pool_(pool),
        converted_(converted),
        progress_(progress),
        n_bytes_(n_bytes) {}

  Matrix matrix(int layer, const std::string& name, int64_t cols, int64_t rows, int64_t count = 1,
                kernels::Use use = kernels::Use::product) {
    const Location at = locator_.locate(layer, name);
    const auto type = static_cast<TensorType>(at.tensor->type_id);
    const size_t row_bytes = quant::row_bytes(type, static_cast<size_t>(cols));
    Matrix view{type,
                rows,
                cols,
                count,
                at.tensor->data.data() + static_cast<size_t>(at.begin) * row_bytes,
                row_bytes * static_cast<size_t>(at.step),
                row_bytes * static_cast<size_t>(at.n_outputs)};
    if (use == kernels::Use::product) count_bytes(row_bytes * static_cast<size_t>(rows * count));
    const auto adopted_type = is_computed_natively(type) ? type : TensorType::q8_0;
    if (const auto kept = ops_.restore({adopted_type, rows, cols, count}, use)) return *kept;
    const Matrix source = is_computed_natively(type) ? view : as_q8_0(view);
    const Matrix adopted = ops_.adopt(source, use);
    if (adopted.data != source.data && source.data != view.data) converted_.pop_back();
    if (adopted.data != view.data) drop_pages(at.tensor->data);
    return adopted;
  }

  // `n_outputs` floats for each of `count` experts.
  const float* floats(int layer, const std::string& name, int64_t n_outputs, int64_t count = 1) {
    const Location at = locator_.locate(layer, name);
    const auto type = static_cast<TensorType>(at.tensor->type_id);
    const std::byte* data = at.tensor->data.data();
    const bool is_aligned = reinterpret_cast<uintptr_t>(data) % alignof(float) == 0;
    if (type == TensorType::f32 && at.begin == 0 && at.step == 1 && is_aligned &&
        at.n_outputs == n_outputs)
      return reinterpret_cast<const float*>(data);
    const size_t element = quant::row_bytes(type, 1);
    float* copy = allocate(static_cast<size_t>(n_outputs * count) * sizeof(float)).as<float>();
    for (int64_t which = 0; which < count; ++which)
      for (int64_t i = 0; i < n_outputs; ++i)
        quant::dequantize_row(
            type,
            data + static_cast<size_t>(which * at.n_outputs + at.begin + i * at.step) * element,
            copy + which * n_outputs + i, 1);
    return copy;
  }

  Linear linear(int layer, const std::string& name, int64_t cols, int64_t rows, int64_t count = 1) {
    return {matrix(layer, name + ".weight", cols, rows, count),
            floats(layer, name + ".bias", rows, count)};
  }

 private:
  // Before n_bytes more are made ready.
  void count_bytes(size_t n_bytes) {
    if (progress_) progress_(n_done_, n_bytes_);
    n_done_ += n_bytes;
  }

  Buffer& allocate(size_t n_bytes) { return converted_.emplace_back(n_bytes, "converted weights"); }

  Matrix as_q8_0(const Matrix& source) {
    const size_t row_bytes = quant::row_bytes(TensorType::q8_0, static_cast<size_t>(source.cols));
    const size_t matrix_bytes = row_bytes * static_cast<size_t>(source.rows);
    std::byte* bytes = allocate(matrix_bytes * static_cast<size_t>(source.count)).data();
    const Buffer scratch(
        static_cast<size_t>(pool_.size()) * static_cast<size_t>(source.cols) * sizeof(float),
        "conversion");
    pool_.parallel_for(source.rows * source.count, [&](int64_t item, int thread) {
      float* row = scratch.as<float>() + thread * source.cols;
      quant::dequantize_row(source.type, source.row(item / source.rows, item % source.rows), row,
                            static_cast<size_t>(source.cols));
      quant::quantize_row_q8_0(row, bytes + static_cast<size_t>(item) * row_bytes,
                               static_cast<size_t>(source.cols));
    });
    return {TensorType::q8_0, source.rows, source.cols, source.count, bytes,
            row_bytes,        matrix_bytes};
  }

  TensorLocator locator_;
  kernels::Ops& ops_;
  ThreadPool& pool_;
  std::vector<Buffer>& converted_;
  const LoadProgress& progress_;
  size_t n_bytes_;
  size_t n_done_ = 0;
};

namespace {

// FNV-1a of some bytes of every tensor: models of the same sizes differ there.
uint64_t fingerprint(const gguf::GgufFile& file) {
  constexpr size_t kLooked = 64;
  uint64_t value = 0xcbf29ce484222325;
  for (const gguf::Tensor& tensor : file.tensors()) {
    const size_t middle = tensor.data.size() / 2;
    for (const std::byte byte :
         tensor.data.subspan(middle, std::min(kLooked, tensor.data.size() - middle)))
      value = (value ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  }
  return value;
}

}  // namespace

Weights::Weights(const gguf::GgufFile& file, const Config& config, kernels::Ops& ops,
                 ThreadPool& pool, const LoadProgress& progress) {
  size_t n_bytes = 0;
  for (const gguf::Tensor& tensor : file.tensors())
    if (tensor.name != "token_embd.weight") n_bytes += tensor.data.size();
  ops.expect_weights({n_bytes, file.paths(), fingerprint(file)});
  const auto load_all = [&] {
    layers.clear();
    converted_.clear();
    load(Loader(file, config, ops, pool, converted_, progress, n_bytes), config);
    return ops.finish_weights();
  };
  if (!load_all() && !load_all()) throw InternalError("weights are lost twice");
  if (progress) progress(n_bytes, n_bytes);
}

void Weights::load(Loader load, const Config& config) {
  const int64_t hidden = config.hidden, ff = config.ff, query = config.query_width(),
                key_value = config.key_value_width();
  const int64_t n_experts = config.n_experts;
  embedding = load.matrix(-1, "token_embd.weight", hidden, config.n_vocab, 1, kernels::Use::lookup);
  unembedding = load.matrix(-1, "output.weight", hidden, config.n_vocab);
  output_norm = load.floats(-1, "output_norm.weight", hidden);
  layers.reserve(static_cast<size_t>(config.n_layers));
  for (int layer = 0; layer < config.n_layers; ++layer)
    layers.push_back({
        .attn_norm = load.floats(layer, "attn_norm.weight", hidden),
        .q = load.linear(layer, "attn_q", hidden, query),
        .k = load.linear(layer, "attn_k", hidden, key_value),
        .v = load.linear(layer, "attn_v", hidden, key_value),
        .sinks = load.floats(layer, "attn_sinks.weight", config.n_heads),
        .attn_output = load.linear(layer, "attn_output", query, hidden),
        .post_attention_norm = load.floats(layer, "post_attention_norm.weight", hidden),
        .router = load.linear(layer, "ffn_gate_inp", hidden, n_experts),
        .gate = load.linear(layer, "ffn_gate_exps", hidden, ff, n_experts),
        .up = load.linear(layer, "ffn_up_exps", hidden, ff, n_experts),
        .down = load.linear(layer, "ffn_down_exps", ff, hidden, n_experts),
    });
}

}  // namespace gptoss::model

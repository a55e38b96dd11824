// What K and V of a prompt depend on, as a short text: other weights, another identity.
#include <algorithm>
#include <string>
#include <variant>

#include "base/checksum.h"
#include "model/model.h"

namespace gptoss::model {
namespace {

constexpr size_t kLooked = size_t{64} << 10;  // bytes of a tensor's beginning, and of its middle

std::string text_of(const gguf::Value& value) {
  return std::visit(
      [](const auto& held) -> std::string {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(held)>>)
          return std::to_string(held);
        else
          return "";  // names and vocabularies change no number
      },
      value);
}

uint64_t sample(std::span<const std::byte> data, size_t begin) {
  return checksum(data.subspan(begin, std::min(kLooked, data.size() - begin)));
}

}  // namespace

std::string Model::identity() const {
  std::string all;
  for (const auto& [key, value] : file_.metadata())
    all += std::string(key) + '=' + text_of(value) + '\n';
  for (const gguf::Tensor& tensor : file_.tensors()) {
    all += std::string(tensor.name) + ' ' + std::to_string(tensor.type_id);
    for (const uint64_t size : tensor.shape) all += ' ' + std::to_string(size);
    all += ' ' + std::to_string(sample(tensor.data, 0)) + ' ' +
           std::to_string(sample(tensor.data, tensor.data.size() / 2)) + '\n';
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(all.data());
  const kv::KvShape shape = kv_shape();
  return "pages 1, model " + std::to_string(checksum({bytes, all.size()})) + ", " + ops_.name() +
         ' ' + ops_.arithmetic() + ", " + std::to_string(shape.n_layers) + " layers, " +
         std::to_string(shape.n_kv_heads) + " heads of " + std::to_string(shape.head_page_bytes);
}

}  // namespace gptoss::model

// What K and V of a prompt depend on, as a short text: other weights, another identity.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <sstream>
#include <string>
#include <variant>

#include "base/checksum.h"
#include "model/model.h"

namespace gptoss::model {
namespace {

constexpr size_t kLooked = size_t{64} << 10;  // bytes of a tensor's beginning, and of its middle

template <typename T>
std::string exact(T value) {
  std::ostringstream text;
  text << std::setprecision(17) << value;
  return text.str();
}

std::string text_of(const gguf::Value& value) {
  return std::visit(
      [](const auto& held) -> std::string {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(held)>>)
          return exact(held);
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
  // Of a large tensor that is not all: a file that was written again is another one.
  for (const std::string& path : file_.paths()) {
    std::error_code ignored;
    const auto written = std::filesystem::last_write_time(path, ignored);
    all += std::to_string(std::filesystem::file_size(path, ignored)) + ' ' +
           std::to_string(written.time_since_epoch().count()) + '\n';
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(all.data());
  const kv::KvShape shape = kv_shape();
  return "pages 1, model " + std::to_string(checksum({bytes, all.size()})) + ", " + ops_.name() +
         ' ' + ops_.arithmetic() + ", " + std::to_string(shape.n_layers) + " layers, " +
         std::to_string(shape.n_kv_heads) + " heads of " + std::to_string(shape.head_page_bytes);
}

}  // namespace gptoss::model

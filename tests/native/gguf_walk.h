// Reads every byte that a parsed GGUF file points at, so that a sanitizer sees every range that the
// parser accepted.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "gguf/part.h"

namespace gptoss::testing {

class GgufWalker {
 public:
  // A checksum over all metadata and tensor bytes; its value means nothing.
  static uint64_t walk(const gguf::Part& part) {
    GgufWalker walker;
    for (const auto& [key, value] : part.metadata) {
      walker.visit(key);
      std::visit([&](const auto& held) { walker.visit(held); }, value);
    }
    for (const gguf::Tensor& tensor : part.tensors) {
      walker.visit(tensor.name);
      for (const std::byte byte : tensor.data) walker.sum_ += std::to_integer<uint64_t>(byte);
    }
    return walker.sum_;
  }

 private:
  void visit(std::string_view text) {
    for (const char c : text) sum_ += static_cast<unsigned char>(c);
  }
  template <class T>
  void visit(const std::vector<T>& values) {
    for (const auto value : values) visit(value);
  }
  template <class T>
  void visit(T value) {
    sum_ += value != T{} ? 1 : 0;
  }

  uint64_t sum_ = 0;
};

}  // namespace gptoss::testing

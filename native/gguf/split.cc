#include "gguf/split.h"

#include <cstdio>
#include <optional>
#include <string_view>
#include <unordered_map>

#include <gptoss/error.h>

#include "gguf/cursor.h"

namespace gptoss::gguf {
namespace {

constexpr uint64_t kMaxParts = 65535;  // split.no and split.count are 16 bits

// "-00002-of-00003.gguf" for part 1 (counted from zero) of 3.
std::string part_suffix(uint64_t part, uint64_t n_parts) {
  char text[32];
  std::snprintf(text, sizeof text, "-%05u-of-%05u.gguf", static_cast<unsigned>(part + 1),
                static_cast<unsigned>(n_parts));
  return text;
}

uint64_t require_uint(const Metadata& metadata, std::string_view key, const std::string& path) {
  const std::optional<uint64_t> value = find_uint(metadata, key, path);
  if (!value) {
    throw ModelFileError(path + ": key " + quoted(key) +
                         " is missing, which every part of a split model needs; download it again");
  }
  return *value;
}

void check_key(const Part& part, const std::string& path, std::string_view key, uint64_t expected) {
  const uint64_t value = require_uint(part.metadata, key, path);
  if (value != expected) {
    throw ModelFileError(path + ": key " + quoted(key) + " is " + std::to_string(value) +
                         ", expected " + std::to_string(expected) +
                         "; the parts do not belong to one model: download them again");
  }
}

}  // namespace

uint64_t count_parts(const Metadata& metadata, const std::string& path) {
  const uint64_t count = find_uint(metadata, "split.count", path).value_or(1);
  if (count > kMaxParts) {
    throw ModelFileError(path + ": key 'split.count': " + std::to_string(count) +
                         " is more than 65535; the file is damaged");
  }
  return count == 0 ? 1 : count;
}

std::vector<std::string> part_paths(const Metadata& metadata, const std::string& path,
                                    uint64_t n_parts) {
  const uint64_t part = require_uint(metadata, "split.no", path);
  if (part >= n_parts) {
    throw ModelFileError(path + ": key 'split.no': " + std::to_string(part) +
                         " is not below split.count " + std::to_string(n_parts) +
                         "; the file is damaged");
  }
  const std::string suffix = part_suffix(part, n_parts);
  if (!path.ends_with(suffix)) {
    throw ModelFileError(path + ": is part " + std::to_string(part + 1) + " of " +
                         std::to_string(n_parts) + " of a split model, so its name must end in '" +
                         suffix +
                         "' for the others to be found; give the parts their original names");
  }
  const std::string prefix = path.substr(0, path.size() - suffix.size());
  std::vector<std::string> paths;
  for (uint64_t i = 0; i < n_parts; ++i) paths.push_back(prefix + part_suffix(i, n_parts));
  return paths;
}

void check_parts(const std::vector<Part>& parts, const std::vector<std::string>& paths) {
  uint64_t n_tensors = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    check_key(parts[i], paths[i], "split.no", i);
    check_key(parts[i], paths[i], "split.count", parts.size());
    n_tensors += parts[i].tensors.size();
  }
  std::unordered_map<std::string_view, size_t> first_seen;
  for (size_t i = 0; i < parts.size(); ++i) {
    check_key(parts[i], paths[i], "split.tensors.count", n_tensors);
    for (const Tensor& tensor : parts[i].tensors) {
      const auto [it, added] = first_seen.emplace(tensor.name, i);
      if (added) continue;
      throw ModelFileError(paths[i] + ": tensor " + quoted(tensor.name) + ": is also in " +
                           paths[it->second] + "; download the parts again");
    }
  }
}

}  // namespace gptoss::gguf

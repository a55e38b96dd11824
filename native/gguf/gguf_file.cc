#include "gguf/gguf_file.h"

#include <unordered_map>
#include <utility>

#include <gptoss/error.h>

#include "gguf/file_map.h"
#include "gguf/part.h"
#include "gguf/split.h"

namespace gptoss::gguf {

struct GgufFile::Impl {
  std::vector<std::string> paths;
  std::vector<FileMap> maps;  // one per path; everything below points into them
  Metadata metadata;
  std::vector<Tensor> tensors;
  std::unordered_map<std::string_view, size_t> index;  // name -> position in tensors
};

namespace {

FileMap open_part(const std::string& path, size_t part, size_t n_parts) {
  try {
    return FileMap::open(path);
  } catch (const ModelFileError& error) {
    throw ModelFileError(std::string(error.what()) + " (part " + std::to_string(part + 1) + " of " +
                         std::to_string(n_parts) +
                         " of a split model; all parts must lie in one folder)");
  }
}

}  // namespace

GgufFile GgufFile::open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  FileMap map = FileMap::open(path);
  Part first = parse_part(map.bytes(), path, 0);
  const uint64_t n_parts = count_parts(first.metadata, path);
  std::vector<Part> parts;
  if (n_parts == 1) {
    impl->paths = {path};
    impl->maps.push_back(std::move(map));
    parts.push_back(std::move(first));
  } else {
    impl->paths = part_paths(first.metadata, path, n_parts);
    for (size_t i = 0; i < impl->paths.size(); ++i) {
      impl->maps.push_back(open_part(impl->paths[i], i, impl->paths.size()));
      parts.push_back(parse_part(impl->maps[i].bytes(), impl->paths[i], static_cast<uint32_t>(i)));
    }
    check_parts(parts, impl->paths);
  }

  impl->metadata = std::move(parts[0].metadata);
  for (Part& part : parts) {
    for (Tensor& tensor : part.tensors) {
      impl->index.emplace(tensor.name, impl->tensors.size());
      impl->tensors.push_back(std::move(tensor));
    }
  }
  return GgufFile(std::move(impl));
}

GgufFile::GgufFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;
GgufFile::~GgufFile() = default;

const std::vector<std::string>& GgufFile::paths() const { return impl_->paths; }
const std::map<std::string_view, Value>& GgufFile::metadata() const { return impl_->metadata; }
const std::vector<Tensor>& GgufFile::tensors() const { return impl_->tensors; }

const Tensor* GgufFile::find(std::string_view name) const {
  const auto it = impl_->index.find(name);
  return it == impl_->index.end() ? nullptr : &impl_->tensors[it->second];
}

}  // namespace gptoss::gguf

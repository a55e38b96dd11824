#include <gptoss/model_file.h>

#include "gguf/gguf_file.h"
#include "quant/tensor_type.h"

namespace gptoss {

struct ModelFile::Impl {
  gguf::GgufFile file;
};

ModelFile::ModelFile(const std::string& path)
    : impl_(std::make_unique<Impl>(Impl{gguf::GgufFile::open(path)})) {}
ModelFile::~ModelFile() = default;

const std::vector<std::string>& ModelFile::paths() const { return impl_->file.paths(); }

std::vector<std::pair<std::string_view, ModelFile::Value>> ModelFile::metadata() const {
  const auto& metadata = impl_->file.metadata();
  return {metadata.begin(), metadata.end()};
}

std::vector<ModelFile::TensorInfo> ModelFile::tensors() const {
  std::vector<TensorInfo> infos;
  infos.reserve(impl_->file.tensors().size());
  for (const gguf::Tensor& tensor : impl_->file.tensors()) {
    const quant::TypeTraits* traits = quant::find_type_traits(tensor.type_id);
    infos.push_back(
        {.name = std::string(tensor.name),
         .type = traits != nullptr ? traits->name : "type " + std::to_string(tensor.type_id),
         .shape = tensor.shape,
         .n_bytes = tensor.data.size(),
         .offset = tensor.offset,
         .file = tensor.file});
  }
  return infos;
}

}  // namespace gptoss

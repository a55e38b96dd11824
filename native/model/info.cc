#include <gptoss/info.h>

#include "model/tensor_table.h"

namespace gptoss {

std::vector<TableRow> tensor_table() {
  std::vector<TableRow> table;
  const auto append = [&](std::span<const model::TensorSpec> specs, bool per_layer) {
    for (const model::TensorSpec& spec : specs) {
      TableRow row{std::string(spec.name), per_layer, {}, std::string(model::name_of(spec.role))};
      for (const model::Dim dim : spec.shape)
        if (dim != model::Dim::none) row.shape.emplace_back(model::name_of(dim));
      table.push_back(row);
    }
  };
  append(model::model_tensors(), false);
  append(model::layer_tensors(), true);
  return table;
}

}  // namespace gptoss

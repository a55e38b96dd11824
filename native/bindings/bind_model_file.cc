#include <pybind11/stl.h>

#include <gptoss/info.h>
#include <gptoss/model_file.h>

#include "bindings/convert.h"
#include "bindings/module.h"

namespace gptoss::bindings {

namespace py = pybind11;

namespace {

struct ToPython {
  py::object operator()(std::string_view text) const { return decode(text); }
  py::object operator()(const std::vector<std::string_view>& texts) const {
    py::list list(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) list[i] = decode(texts[i]);
    return list;
  }
  template <typename T>
  py::object operator()(const T& value) const {
    return py::cast(value);
  }
};

py::dict metadata_of(const ModelFile& file) {
  py::dict dict;
  for (const auto& [key, value] : file.metadata())
    dict[decode(key)] = std::visit(ToPython{}, value);
  return dict;
}

}  // namespace

void bind_model_file(py::module_& m) {
  py::class_<ModelFile::TensorInfo>(m, "TensorInfo")
      .def_property_readonly("name", [](const ModelFile::TensorInfo& t) { return decode(t.name); })
      .def_readonly("type", &ModelFile::TensorInfo::type)
      .def_readonly("shape", &ModelFile::TensorInfo::shape)
      .def_readonly("n_bytes", &ModelFile::TensorInfo::n_bytes)
      .def_readonly("offset", &ModelFile::TensorInfo::offset)
      .def_readonly("file", &ModelFile::TensorInfo::file);
  py::class_<ModelFile>(m, "ModelFile")
      .def(py::init([](const py::object& path) {
             const std::string file = path_of(path);
             return without_gil([&] { return std::make_unique<ModelFile>(file); });
           }),
           py::arg("path"))
      .def_property_readonly("paths",
                             [](const ModelFile& self) {
                               py::list paths;
                               for (const std::string& path : self.paths())
                                 paths.append(decode_path(path));
                               return paths;
                             })
      .def_property_readonly("metadata", &metadata_of)
      .def_property_readonly("tensors", &ModelFile::tensors);
  m.def(
      "tensor_table",
      [] {
        py::list table;
        for (const TableRow& row : tensor_table())
          table.append(
              py::make_tuple(row.name, row.per_layer, py::tuple(py::cast(row.shape)), row.role));
        return table;
      },
      "(name, per_layer, shape, role) of every tensor a gpt-oss GGUF must hold.");
}

}  // namespace gptoss::bindings

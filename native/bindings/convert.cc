#include "bindings/convert.h"

namespace gptoss::bindings {

namespace py = pybind11;

namespace {

// Takes a new reference, or raises what Python has set.
template <typename T>
T owned(PyObject* object) {
  if (object == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<T>(object);
}

}  // namespace

py::str decode(std::string_view text) {
  return owned<py::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
}

std::string path_of(const py::object& path) {
  PyObject* bytes = nullptr;
  if (PyUnicode_FSConverter(path.ptr(), &bytes) == 0) throw py::error_already_set();
  return owned<py::bytes>(bytes);
}

py::str decode_path(const std::string& path) {
  return owned<py::str>(
      PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<Py_ssize_t>(path.size())));
}

}  // namespace gptoss::bindings

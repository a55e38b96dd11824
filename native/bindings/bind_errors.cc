#include <gptoss/error.h>

#include "bindings/module.h"

namespace gptoss::bindings {

namespace py = pybind11;

namespace {

// The exception types, which live as long as the module.
struct Types {
  py::handle base, model_file, request, queue_full, out_of_memory;
};
Types types;

py::handle type_of(const Error& error) {
  if (dynamic_cast<const ModelFileError*>(&error) != nullptr) return types.model_file;
  if (dynamic_cast<const RequestError*>(&error) != nullptr) return types.request;
  if (dynamic_cast<const QueueFullError*>(&error) != nullptr) return types.queue_full;
  if (dynamic_cast<const OutOfMemoryError*>(&error) != nullptr) return types.out_of_memory;
  return types.base;
}

// A message may quote a path or a name of any bytes; it must arrive whatever they are.
void translate(std::exception_ptr pointer) {
  try {
    std::rethrow_exception(pointer);
  } catch (const Error& error) {
    const std::string_view text = error.what();
    PyObject* message =
        PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace");
    if (message == nullptr) return;  // Python has set why
    PyErr_SetObject(type_of(error).ptr(), message);
    Py_DECREF(message);
  }
}

py::handle make_type(py::module_& m, const char* name, py::handle base) {
  const std::string qualified = std::string("gptoss_gguf.") + name;
  const py::handle type = PyErr_NewException(qualified.c_str(), base.ptr(), nullptr);
  if (!type) throw py::error_already_set();
  m.add_object(name, type);
  return type;
}

}  // namespace

void bind_errors(py::module_& m) {
  types.base = make_type(m, "GptossError", PyExc_Exception);
  types.model_file = make_type(m, "ModelFileError", types.base);
  types.request = make_type(m, "RequestError", types.base);
  types.queue_full = make_type(m, "QueueFullError", types.base);
  types.out_of_memory = make_type(m, "OutOfMemoryError", types.base);
  py::register_exception_translator(&translate);
}

}  // namespace gptoss::bindings

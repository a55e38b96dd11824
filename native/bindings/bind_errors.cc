#include <gptoss/error.h>

#include "bindings/module.h"

namespace gptoss::bindings {

namespace py = pybind11;

void bind_errors(py::module_& m) {
  // Translators run last registered first, so the base class comes first.
  const auto& base = py::register_exception<Error>(m, "GptossError");
  py::register_exception<ModelFileError>(m, "ModelFileError", base);
  py::register_exception<RequestError>(m, "RequestError", base);
  py::register_exception<QueueFullError>(m, "QueueFullError", base);
  py::register_exception<OutOfMemoryError>(m, "OutOfMemoryError", base);
  for (const char* name :
       {"GptossError", "ModelFileError", "RequestError", "QueueFullError", "OutOfMemoryError"})
    m.attr(name).attr("__module__") = "gptoss_gguf";
}

}  // namespace gptoss::bindings

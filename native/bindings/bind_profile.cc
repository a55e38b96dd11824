#include <pybind11/stl.h>

#include <gptoss/profile.h>

#include "bindings/module.h"

namespace gptoss::bindings {

namespace py = pybind11;

void bind_profile(py::module_& m) {
  py::class_<OpCall>(m, "OpCall")
      .def_readonly("name", &OpCall::name)
      .def_readonly("begin", &OpCall::begin)
      .def_readonly("end", &OpCall::end)
      .def_readonly("bytes", &OpCall::bytes)
      .def_readonly("macs", &OpCall::macs);
  py::class_<StepReport>(m, "StepReport")
      .def_readonly("begin", &StepReport::begin)
      .def_readonly("end", &StepReport::end)
      .def_readonly("n_tokens", &StepReport::n_tokens)
      .def_readonly("calls", &StepReport::calls);
}

}  // namespace gptoss::bindings

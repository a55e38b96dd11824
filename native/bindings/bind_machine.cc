#include <pybind11/stl.h>

#include <gptoss/machine.h>

#include "bindings/convert.h"
#include "bindings/module.h"

namespace gptoss::bindings {

namespace py = pybind11;

void bind_machine(py::module_& m) {
  py::class_<ArithmeticPeak>(m, "ArithmeticPeak")
      .def_readonly("isa", &ArithmeticPeak::isa)
      .def_readonly("arithmetic", &ArithmeticPeak::arithmetic)
      .def_readonly("macs_per_second", &ArithmeticPeak::macs_per_second);
  py::class_<MachineLimits>(m, "MachineLimits")
      .def_readonly("n_threads", &MachineLimits::n_threads)
      .def_readonly("read_bytes_per_second", &MachineLimits::read_bytes_per_second)
      .def_readonly("peaks", &MachineLimits::peaks);
  m.def(
      "measure_machine",
      [](int n_threads) { return without_gil([&] { return measure_machine(n_threads); }); },
      py::arg("n_threads") = 0, "What this machine can read and multiply per second.");
  m.def("available_memory", &free_memory, "Bytes this process may still take; None if unknown.");
}

}  // namespace gptoss::bindings

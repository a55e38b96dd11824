// What the parts of the Python module register.
#pragma once

#include <pybind11/pybind11.h>

namespace gptoss::bindings {

void bind_errors(pybind11::module_& m);
void bind_model_file(pybind11::module_& m);
void bind_machine(pybind11::module_& m);
void bind_profile(pybind11::module_& m);
void bind_engine(pybind11::module_& m);

}  // namespace gptoss::bindings

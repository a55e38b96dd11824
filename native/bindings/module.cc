// The table of contents of the Python module.
#include "bindings/module.h"

PYBIND11_MODULE(_native, m) {
  m.doc() = "The native engine of gptoss_gguf. Internal: use the gptoss_gguf package.";
  m.def(
      "version", [] { return GPTOSS_VERSION; },
      "Version of the package this module was built for.");
  gptoss::bindings::bind_errors(m);
  gptoss::bindings::bind_model_file(m);
  gptoss::bindings::bind_machine(m);
  gptoss::bindings::bind_profile(m);
  gptoss::bindings::bind_engine(m);
}

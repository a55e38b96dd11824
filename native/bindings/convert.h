// Crossings between Python and C++ that pybind11 does not do the way we need.
#pragma once

#include <exception>
#include <optional>
#include <pybind11/pybind11.h>
#include <string>
#include <string_view>
#include <utility>

namespace gptoss::bindings {

// Text from a file: any bytes; 'surrogateescape' keeps what is not UTF-8 recoverable.
pybind11::str decode(std::string_view text);

// A str, bytes or os.PathLike as the bytes the system knows it by. Raises ValueError for an
// embedded NUL.
std::string path_of(const pybind11::object& path);
pybind11::str decode_path(const std::string& path);

// Calls f() without the GIL. Not a guard object: a thread that comes back after the interpreter has
// ended is unwound inside PyEval_RestoreThread, which no destructor may be in the middle of.
template <typename F>
auto without_gil(F f) {
  PyThreadState* const state = PyEval_SaveThread();
  std::exception_ptr error;
  std::optional<decltype(f())> result;
  try {
    result.emplace(f());
  } catch (...) {
    error = std::current_exception();
  }
  PyEval_RestoreThread(state);
  if (error) std::rethrow_exception(error);
  return std::move(*result);
}

}  // namespace gptoss::bindings

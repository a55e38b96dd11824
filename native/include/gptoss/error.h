// The typed errors of the library. Everything a user or a bad file can cause throws one of these;
// bugs are asserts.
#pragma once

#include <stdexcept>
#include <string>

namespace gptoss {

// Base of all errors; the message is one complete line with what, where and how to fix it.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A model file that cannot be used: the message names the file and, where there is one, tensor or
// key and offset.
class ModelFileError : public Error {
 public:
  using Error::Error;
};

// A request that can never be served as asked.
class RequestError : public Error {
 public:
  using Error::Error;
};

// The queue of waiting requests is full; the same request may succeed later.
class QueueFullError : public Error {
 public:
  using Error::Error;
};

// Memory that was asked for cannot be had.
class OutOfMemoryError : public Error {
 public:
  using Error::Error;
};

}  // namespace gptoss

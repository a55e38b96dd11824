// What a caller may ask for: every check that a request or an option can fail, before the engine
// thread sees it.
#pragma once

#include <cstdint>

#include <gptoss/engine.h>

namespace gptoss::engine {

// Throw RequestError naming the field, its value and the allowed range.
void validate(const EngineOptions& options);
// What "auto" stands for on the device, one of devices(); others as they are.
std::string resolve_compute(const std::string& device, const std::string& compute);
void validate(const Request& request, int64_t n_vocab, int64_t n_ctx);

}  // namespace gptoss::engine

// How much context a model gets on this machine.
#pragma once

#include <cstdint>

#include <gptoss/engine.h>

#include "kv/kv_cache.h"
#include "model/model.h"

namespace gptoss::engine {

struct CachePlan {
  int64_t n_ctx = 0;  // most tokens of one sequence
  kv::KvCache::Size cache;
};

// Half of what is left once the weights are mapped may go to the cache, since they still have to be
// read. What the caller asks for explicitly is only refused when it cannot fit at all: RequestError
// beyond the model's context, OutOfMemoryError beyond the machine's memory.
CachePlan plan_cache(const EngineOptions& options, const model::Model& model);

}  // namespace gptoss::engine

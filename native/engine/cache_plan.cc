#include "engine/cache_plan.h"

#include <algorithm>
#include <string>

#include <gptoss/error.h>

#include "base/memory.h"
#include "engine/runner.h"
#include "kv/kv_cache.h"

namespace gptoss::engine {
namespace {

constexpr size_t kAssumedMemory = size_t{4} << 30;  // where the system does not tell
constexpr int64_t kLeastCtx = 1024;                 // below this a chat is no use

}  // namespace

CachePlan plan_cache(const EngineOptions& options, const model::Model& model) {
  const int64_t n_train = model.config().n_ctx_train;
  if (options.n_ctx > n_train)
    throw RequestError("n_ctx is " + std::to_string(options.n_ctx) +
                       "; this model's context ends at " + std::to_string(n_train) + " tokens");
  const kv::KvShape shape = model.kv_shape();
  const size_t unused = available_memory().value_or(kAssumedMemory);
  const size_t available = unused - std::min(unused, model.mapped_bytes());
  const bool keeps = options.prefix_cache;
  const size_t per_token = kv::bytes_per_token(shape, keeps);
  const auto affordable = static_cast<int64_t>(available / 2 / per_token);

  CachePlan plan;
  plan.n_ctx =
      options.n_ctx > 0 ? options.n_ctx : std::min(n_train, std::max(affordable, kLeastCtx));
  const int64_t n_cached =
      options.n_cached > 0 ? std::max(options.n_cached, plan.n_ctx)
                           : std::clamp(affordable, plan.n_ctx, plan.n_ctx * options.max_sequences);
  plan.cache = {n_cached, options.max_sequences, options.n_batch, keeps};
  const size_t n_bytes =
      static_cast<size_t>(n_cached) * per_token + kv::window_bytes(shape, plan.cache) +
      model.step_bytes(options.n_batch, Runner::n_logits_rows(options.max_sequences), plan.n_ctx);
  if (n_bytes > available)
    throw OutOfMemoryError(
        "a context of " + std::to_string(plan.n_ctx) + " tokens with n_batch " +
        std::to_string(options.n_batch) + " and " + std::to_string(options.max_sequences) +
        " sequences takes " + std::to_string(n_bytes >> 20) + " MiB beside the weights, but " +
        std::to_string(available >> 20) + " MiB are free; choose a smaller n_ctx or n_batch");
  return plan;
}

}  // namespace gptoss::engine

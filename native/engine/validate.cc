#include "engine/validate.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#include <gptoss/error.h>

namespace gptoss::engine {
namespace {

template <typename T>
void require(bool holds, const char* name, T value, const std::string& expected) {
  if (holds) return;
  std::ostringstream text;
  text << name << " is " << value << "; expected " << expected;
  throw RequestError(text.str());
}

template <typename T>
void require_count(const char* name, T value, T least) {
  require(value >= least, name, value, "at least " + std::to_string(least));
}

}  // namespace

void validate(const EngineOptions& options) {
  require_count("n_ctx", options.n_ctx, int64_t{0});
  require(options.n_threads >= 0 && options.n_threads <= 1024, "n_threads", options.n_threads,
          "0 (one per core) to 1024");
  require(options.n_batch >= 1 && options.n_batch <= 1 << 20, "n_batch", options.n_batch,
          "1 to 1048576 tokens");
  require(options.max_sequences >= 1 && options.max_sequences <= 4096, "max_sequences",
          options.max_sequences, "1 to 4096");
  require(options.max_queue >= 0 && options.max_queue <= 1 << 20, "max_queue", options.max_queue,
          "0 to 1048576");
  require(options.n_cached >= 0 && options.n_cached <= int64_t{1} << 40, "n_cached",
          options.n_cached, "0 (as memory allows) to 2^40 tokens");
  require_count("prefix_disk_bytes", options.prefix_disk_bytes, int64_t{0});
  const auto names = devices();
  if (options.device != "auto" &&
      std::find(names.begin(), names.end(), options.device) == names.end()) {
    std::string list = "auto";
    for (const std::string& name : names) list += ", " + name;
    throw RequestError("device '" + options.device +
                       "' is not available here; choose one of: " + list);
  }
}

std::string resolve_compute(const std::string& device, const std::string& compute) {
  if (compute == "auto") return device == "cpu" ? "int8" : "float32";
  if (device != "cpu")
    throw RequestError("the device '" + device + "' computes in one way only, so that compute '" +
                       compute + "' is not available; leave it at auto");
  if (compute != "int8" && compute != "bf16")
    throw RequestError("compute '" + compute + "' is unknown; choose one of: auto, int8, bf16");
  return compute;
}

void validate(const Request& request, int64_t n_vocab, int64_t n_ctx) {
  const auto require_token = [&](const char* what, int32_t token) {
    require(token >= 0 && token < n_vocab, what, token,
            "a token id below " + std::to_string(n_vocab));
  };
  const int64_t n_prompt = std::ssize(request.prompt);
  require(n_prompt > 0, "prompt length", n_prompt, "at least one token");
  for (const int32_t token : request.prompt) require_token("a prompt token", token);
  for (const int32_t token : request.stop_tokens) require_token("a stop token", token);
  const int64_t n_room = n_ctx - (request.max_tokens == 0 ? 0 : 1);
  if (n_prompt > n_room)
    throw RequestError("the prompt has " + std::to_string(n_prompt) +
                       " tokens, but the context of " + std::to_string(n_ctx) +
                       " has to hold it and an answer; shorten the prompt, or open the model with "
                       "a larger n_ctx where it has one");
  require_count("max_tokens", request.max_tokens, int64_t{-1});
  require(request.n_depth >= 0 && request.n_depth <= n_prompt, "n_depth", request.n_depth,
          "0 to the length of the prompt");
  require(request.temperature >= 0 && std::isfinite(request.temperature), "temperature",
          request.temperature, "0 or more");
  require_count("top_k", request.top_k, 0);
  require(request.top_p > 0 && request.top_p <= 1, "top_p", request.top_p, "above 0, at most 1");
  require(request.min_p >= 0 && request.min_p <= 1, "min_p", request.min_p, "0 to 1");
  require(request.repetition_penalty > 0 && std::isfinite(request.repetition_penalty),
          "repetition_penalty", request.repetition_penalty, "above 0");
  require(std::isfinite(request.presence_penalty), "presence_penalty", request.presence_penalty,
          "a finite number");
  require(std::isfinite(request.frequency_penalty), "frequency_penalty", request.frequency_penalty,
          "a finite number");
  for (const auto& [token, bias] : request.logit_bias) {
    require_token("a logit_bias token", token);
    require(!std::isnan(bias) && bias != INFINITY, "a logit_bias", bias, "a number below infinity");
  }
  require(request.timeout >= 0 && std::isfinite(request.timeout), "timeout", request.timeout,
          "0 (never) or more seconds");
  require(request.priority >= -1000 && request.priority <= 1000, "priority", request.priority,
          "-1000 to 1000");
  for (const int32_t token : request.prediction) require_token("a predicted token", token);
  for (const int32_t token : request.forced) require_token("a forced token", token);
  if (!request.forced.empty() && request.top_logprobs >= 0)
    throw RequestError("forced tokens have no logprobs; ask for one or the other");
  require(request.top_logprobs >= -1 && request.top_logprobs <= n_vocab, "top_logprobs",
          request.top_logprobs, "-1 (none) to " + std::to_string(n_vocab));
}

}  // namespace gptoss::engine

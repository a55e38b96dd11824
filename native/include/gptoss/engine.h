// The engine: a loaded model and one thread that serves requests with it. All functions may be
// called from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gptoss/profile.h>

namespace gptoss {

struct EngineOptions {
  std::string device = "auto";  // one of devices(), or "auto" for the best of them
  // What inputs of matrix products are rounded to. "auto": as is fastest on the device. On "cpu"
  // "int8" (with one scale per 32) or "bf16", as the model was trained. Float weights take them as
  // they are, but for BF16 ones with "bf16".
  std::string compute = "auto";
  int64_t n_ctx = 0;      // most tokens of one sequence; 0 = as model and memory allow
  int n_threads = 0;      // 0 = one per core this process may use
  int n_batch = 512;      // most tokens computed in one step
  int max_sequences = 8;  // most sequences computed in one step
  int max_queue = 256;    // most requests beyond those, which wait
  int64_t n_cached =
      0;  // most tokens in the KV cache, all sequences together; 0 = as memory allows
  bool profile = false;  // lets requests ask for a record of every operation
  // Folder where the weights, in the form the device computes with, wait for the next start, which
  // then takes a second; made if it is missing. Empty = they are prepared at every start.
  std::string keep_in;
  bool prefix_cache = true;   // go on from what earlier prompts and answers have in common
  std::string prefix_folder;  // where prefixes outlive the process; made if missing; "" = nowhere
  int64_t prefix_disk_bytes = int64_t{8} << 30;  // most bytes of them
  bool speculation = true;  // guess what repeats, and check several tokens at once
};

// One completion of one prompt.
struct Request {
  std::vector<int32_t> prompt;       // token ids, at least one
  int64_t max_tokens = -1;           // -1 = until the context is full; 0 = compute the prompt only
  std::vector<int32_t> stop_tokens;  // generation ends after any of these; it is part of the output
  float temperature = 1.0f;          // 0 = greedy
  int32_t top_k = 0;                 // 0 = all
  float top_p = 1.0f;                // (0, 1]
  float min_p = 0.0f;                // [0, 1]
  float repetition_penalty = 1.0f;   // > 0; 1 = none
  float presence_penalty = 0.0f;
  float frequency_penalty = 0.0f;
  std::vector<std::pair<int32_t, float>> logit_bias;  // token, addend
  uint64_t seed = 0;
  uint32_t completion_index = 0;  // which of n completions this is: part of the random counter
  int32_t top_logprobs = -1;      // -1 = no logprobs; k = the chosen token's and the k best
  bool prompt_logits = false;     // return the logits of every prompt position
  int64_t n_depth = 0;            // leading prompt tokens that share no step with those behind them
  bool profile = false;           // record every operation; needs EngineOptions::profile
  // The first tokens of the output, whatever is sampled, so that benchmarks compute on the same
  // ones; not together with logprobs.
  std::vector<int32_t> forced;
  std::string client;               // whose request it is: clients get equal shares of the engine
  int priority = 0;                 // higher goes first, and displaces lower ones
  double timeout = 0;               // seconds after which it ends as it is; 0 = never
  bool reuse_prefix = true;         // as EngineOptions::prefix_cache, for this request
  bool speculate = true;            // as EngineOptions::speculation, for this request
  std::vector<int32_t> prediction;  // what the answer is expected to be like: makes it faster
};

enum class FinishReason { none, stop, length, cancelled, timeout };

// What became of a request. Times in seconds.
struct RequestStats {
  double queue_seconds = 0;    // until it was first worked on
  double prefill_seconds = 0;  // from then until its first token
  double decode_seconds = 0;   // from then until its end
  int64_t n_cached = 0;        // prompt tokens that needed no computing
  int64_t n_drafted = 0;       // guessed tokens that were checked
  int64_t n_accepted = 0;      // and were right
  int64_t n_preempted = 0;     // times that it gave its pages back
};

// What became ready since the last chunk. Lists are aligned with `tokens`.
struct Chunk {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;  // before any mask, penalty or temperature
  std::vector<std::vector<std::pair<int32_t, float>>> top_logprobs;
  std::vector<float>
      prompt_logits;     // (rows, n_vocab) of the prompt positions computed since the last chunk
  int64_t n_prompt = 0;  // prompt tokens computed so far
  std::vector<StepReport> steps;                    // that worked on this request
  FinishReason finish_reason = FinishReason::none;  // set on the last chunk
  RequestStats stats;                               // so far
};

// The caller's end of a submitted request. Destroying it cancels the request.
class Completion {
 public:
  class Channel;
  explicit Completion(std::shared_ptr<Channel> channel);
  ~Completion();
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  // Waits for the next chunk: at most `timeout` (nullopt = for ever). Nothing when the time is up.
  // Throws RequestError after the last chunk, and whatever ended the request if the engine failed.
  std::optional<Chunk> next_chunk(std::optional<std::chrono::nanoseconds> timeout);
  // Asks the engine to stop, which it does within one step; a last chunk says `cancelled`.
  // Idempotent.
  void cancel();
  // A descriptor that polls readable while a chunk waits. Owned by this object. Throws Error when
  // none can be had.
  int fd();

 private:
  std::shared_ptr<Channel> channel_;
};

// Counts since the start, but for what is running and waiting, and for pages.
struct EngineStats {
  int n_running = 0;           // sequences that hold KV pages
  int n_waiting = 0;           // requests in the queue
  int64_t n_pages_used = 0;    // KV pages of running sequences
  int64_t n_pages_cached = 0;  // of prefixes that no sequence uses now
  int64_t n_pages_total = 0;
  int64_t n_steps = 0;
  int64_t n_prompt_tokens = 0;     // computed
  int64_t n_generated_tokens = 0;  // given to callers
  int64_t n_cached_tokens = 0;     // of prompts, that needed no computing
  int64_t n_drafted_tokens = 0;    // guessed ones that were checked
  int64_t n_accepted_tokens = 0;   // of those, the right ones
  int64_t n_preempted = 0;      // times a sequence gave its pages back, to be computed again later
  double seconds_in_steps = 0;  // computing
  double seconds_between_steps = 0;  // scheduling and delivering
};

class Engine {
 public:
  // Takes the bytes of weights that are ready and those of all. May throw: loading ends with that.
  using LoadProgress = std::function<void(size_t done, size_t total)>;

  // Loads the model. Throws ModelFileError, RequestError (bad options), OutOfMemoryError.
  Engine(const std::string& path, const EngineOptions& options,
         const LoadProgress& progress = nullptr);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const std::string& device() const;
  std::string isa() const;         // instruction set it computes with, as in measure_machine()
  std::string arithmetic() const;  // of its matrix products, as in measure_machine()
  int64_t n_ctx() const;           // tokens
  int n_threads() const;
  int64_t n_vocab() const;
  // What EngineOptions::keep_in holds for this model; empty if nothing.
  std::string weights_file() const;

  // Throws RequestError (can never be served; after close; in a forked child), OutOfMemoryError or
  // QueueFullError (try again later).
  std::shared_ptr<Completion> submit(Request request);
  EngineStats stats() const;
  // What went wrong with prefixes on disk since the last call, one line each.
  std::vector<std::string> take_warnings();
  // Cancels everything and joins the engine thread. Idempotent.
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The devices this build can compute on, best first.
std::vector<std::string> devices();
// The instruction sets that the device "cpu" has kernels for on this machine, best first. compute:
// "int8" or "bf16".
std::vector<std::string> cpu_isas(const std::string& compute = "int8");

}  // namespace gptoss

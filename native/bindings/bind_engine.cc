#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <string>
#include <utility>
#include <vector>

#include <gptoss/engine.h>
#include <gptoss/error.h>

#include "bindings/convert.h"
#include "bindings/module.h"

namespace gptoss::bindings {

namespace py = pybind11;

namespace {

py::object finish_reason_of(const Chunk& chunk) {
  switch (chunk.finish_reason) {
    case FinishReason::stop:
      return py::str("stop");
    case FinishReason::length:
      return py::str("length");
    case FinishReason::cancelled:
      return py::str("cancelled");
    case FinishReason::timeout:
      return py::str("timeout");
    case FinishReason::none:
      break;
  }
  return py::none();
}

// Moves the rows into an array of shape (rows, n_vocab) that owns them.
py::object take_prompt_logits(Chunk& chunk, int64_t n_vocab) {
  if (chunk.prompt_logits.empty()) return py::none();
  auto owner = std::make_unique<std::vector<float>>(std::move(chunk.prompt_logits));
  chunk.prompt_logits.clear();
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(owner->size()) / n_vocab, n_vocab};
  const float* data = owner->data();
  const py::capsule capsule(owner.release(),
                            [](void* rows) { delete static_cast<std::vector<float>*>(rows); });
  return py::array_t<float>(shape, data, capsule);
}

// A chunk knows the vocabulary size, which gives its logits their shape.
struct PyChunk : Chunk {
  int64_t n_vocab;
};
struct PyCompletion {
  std::shared_ptr<Completion> completion;
  int64_t n_vocab;
};

std::optional<PyChunk> next_chunk(PyCompletion& self, std::optional<double> timeout) {
  std::optional<std::chrono::nanoseconds> limit;
  if (timeout) {
    if (std::isnan(*timeout)) throw RequestError("timeout is not a number");
    // A day is for ever here, and keeps the conversion within range.
    const double seconds = std::clamp(*timeout, 0.0, 86400.0);
    limit = std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
  }
  std::optional<Chunk> chunk = without_gil([&] { return self.completion->next_chunk(limit); });
  if (!chunk) return std::nullopt;
  return PyChunk{std::move(*chunk), self.n_vocab};
}

// The last reference may be dropped by the garbage collector: joining the engine thread must not
// hold the GIL.
struct JoinWithoutGil {
  void operator()(Engine* engine) const {
    without_gil([&] {
      delete engine;
      return true;
    });
  }
};
using EnginePointer = std::unique_ptr<Engine, JoinWithoutGil>;

void bind_options(py::module_& m) {
  const EngineOptions o;
  py::class_<EngineOptions>(m, "EngineOptions")
      .def(py::init([](const std::string& device, const std::string& compute, int64_t n_ctx,
                       int n_threads, int n_batch, int max_sequences, int max_queue,
                       int64_t n_cached, bool profile, const py::object& keep_in, bool prefix_cache,
                       const py::object& prefix_folder, int64_t prefix_disk_bytes,
                       bool speculation) {
             return EngineOptions{.device = device,
                                  .compute = compute,
                                  .n_ctx = n_ctx,
                                  .n_threads = n_threads,
                                  .n_batch = n_batch,
                                  .max_sequences = max_sequences,
                                  .max_queue = max_queue,
                                  .n_cached = n_cached,
                                  .profile = profile,
                                  .keep_in = path_of(keep_in),
                                  .prefix_cache = prefix_cache,
                                  .prefix_folder = path_of(prefix_folder),
                                  .prefix_disk_bytes = prefix_disk_bytes,
                                  .speculation = speculation};
           }),
           py::kw_only(), py::arg("device") = o.device, py::arg("compute") = o.compute,
           py::arg("n_ctx") = o.n_ctx, py::arg("n_threads") = o.n_threads,
           py::arg("n_batch") = o.n_batch, py::arg("max_sequences") = o.max_sequences,
           py::arg("max_queue") = o.max_queue, py::arg("n_cached") = o.n_cached,
           py::arg("profile") = o.profile, py::arg("keep_in") = "",
           py::arg("prefix_cache") = o.prefix_cache, py::arg("prefix_folder") = "",
           py::arg("prefix_disk_bytes") = o.prefix_disk_bytes,
           py::arg("speculation") = o.speculation)
      .def_readonly("device", &EngineOptions::device)
      .def_readonly("compute", &EngineOptions::compute)
      .def_readonly("n_ctx", &EngineOptions::n_ctx)
      .def_readonly("n_threads", &EngineOptions::n_threads)
      .def_readonly("n_batch", &EngineOptions::n_batch)
      .def_readonly("max_sequences", &EngineOptions::max_sequences)
      .def_readonly("max_queue", &EngineOptions::max_queue)
      .def_readonly("n_cached", &EngineOptions::n_cached)
      .def_readonly("profile", &EngineOptions::profile)
      .def_readonly("prefix_cache", &EngineOptions::prefix_cache)
      .def_property_readonly(
          "prefix_folder",
          [](const EngineOptions& self) { return decode_path(self.prefix_folder); })
      .def_readonly("prefix_disk_bytes", &EngineOptions::prefix_disk_bytes)
      .def_readonly("speculation", &EngineOptions::speculation)
      .def_property_readonly("keep_in",
                             [](const EngineOptions& self) { return decode_path(self.keep_in); });
}

void bind_request(py::module_& m) {
  const Request r;
  py::class_<Request>(m, "Request")
      .def(
          py::init([](std::vector<int32_t> prompt, int64_t max_tokens,
                      std::vector<int32_t> stop_tokens, float temperature, int32_t top_k,
                      float top_p, float min_p, float repetition_penalty, float presence_penalty,
                      float frequency_penalty, std::vector<std::pair<int32_t, float>> logit_bias,
                      uint64_t seed, uint32_t completion_index, int32_t top_logprobs,
                      bool prompt_logits, int64_t n_depth, bool profile,
                      std::vector<int32_t> forced, std::string client, int priority, double timeout,
                      bool reuse_prefix, bool speculate, std::vector<int32_t> prediction) {
            return Request{.prompt = std::move(prompt),
                           .max_tokens = max_tokens,
                           .stop_tokens = std::move(stop_tokens),
                           .temperature = temperature,
                           .top_k = top_k,
                           .top_p = top_p,
                           .min_p = min_p,
                           .repetition_penalty = repetition_penalty,
                           .presence_penalty = presence_penalty,
                           .frequency_penalty = frequency_penalty,
                           .logit_bias = std::move(logit_bias),
                           .seed = seed,
                           .completion_index = completion_index,
                           .top_logprobs = top_logprobs,
                           .prompt_logits = prompt_logits,
                           .n_depth = n_depth,
                           .profile = profile,
                           .forced = std::move(forced),
                           .client = std::move(client),
                           .priority = priority,
                           .timeout = timeout,
                           .reuse_prefix = reuse_prefix,
                           .speculate = speculate,
                           .prediction = std::move(prediction)};
          }),
          py::arg("prompt"), py::kw_only(), py::arg("max_tokens") = r.max_tokens,
          py::arg("stop_tokens") = r.stop_tokens, py::arg("temperature") = r.temperature,
          py::arg("top_k") = r.top_k, py::arg("top_p") = r.top_p, py::arg("min_p") = r.min_p,
          py::arg("repetition_penalty") = r.repetition_penalty,
          py::arg("presence_penalty") = r.presence_penalty,
          py::arg("frequency_penalty") = r.frequency_penalty, py::arg("logit_bias") = r.logit_bias,
          py::arg("seed") = r.seed, py::arg("completion_index") = r.completion_index,
          py::arg("top_logprobs") = r.top_logprobs, py::arg("prompt_logits") = r.prompt_logits,
          py::arg("n_depth") = r.n_depth, py::arg("profile") = r.profile,
          py::arg("forced") = r.forced, py::arg("client") = r.client,
          py::arg("priority") = r.priority, py::arg("timeout") = r.timeout,
          py::arg("reuse_prefix") = r.reuse_prefix, py::arg("speculate") = r.speculate,
          py::arg("prediction") = r.prediction);
}

void bind_stats(py::module_& m) {
  py::class_<RequestStats>(m, "RequestStats")
      .def_readonly("queue_seconds", &RequestStats::queue_seconds)
      .def_readonly("prefill_seconds", &RequestStats::prefill_seconds)
      .def_readonly("decode_seconds", &RequestStats::decode_seconds)
      .def_readonly("n_cached", &RequestStats::n_cached)
      .def_readonly("n_drafted", &RequestStats::n_drafted)
      .def_readonly("n_accepted", &RequestStats::n_accepted)
      .def_readonly("n_preempted", &RequestStats::n_preempted);
  py::class_<EngineStats>(m, "EngineStats")
      .def_readonly("n_running", &EngineStats::n_running)
      .def_readonly("n_waiting", &EngineStats::n_waiting)
      .def_readonly("n_pages_used", &EngineStats::n_pages_used)
      .def_readonly("n_pages_cached", &EngineStats::n_pages_cached)
      .def_readonly("n_pages_total", &EngineStats::n_pages_total)
      .def_readonly("n_steps", &EngineStats::n_steps)
      .def_readonly("n_prompt_tokens", &EngineStats::n_prompt_tokens)
      .def_readonly("n_generated_tokens", &EngineStats::n_generated_tokens)
      .def_readonly("n_cached_tokens", &EngineStats::n_cached_tokens)
      .def_readonly("n_drafted_tokens", &EngineStats::n_drafted_tokens)
      .def_readonly("n_accepted_tokens", &EngineStats::n_accepted_tokens)
      .def_readonly("n_preempted", &EngineStats::n_preempted)
      .def_readonly("seconds_in_steps", &EngineStats::seconds_in_steps)
      .def_readonly("seconds_between_steps", &EngineStats::seconds_between_steps);
}

void bind_completion(py::module_& m) {
  py::class_<PyChunk>(m, "Chunk")
      .def_readonly("token_ids", &PyChunk::tokens)
      .def_readonly("logprobs", &PyChunk::logprobs)
      .def_readonly("top_logprobs", &PyChunk::top_logprobs)
      .def_readonly("n_prompt", &PyChunk::n_prompt)
      .def_readonly("steps", &PyChunk::steps)
      .def_readonly("stats", &PyChunk::stats)
      .def_property_readonly("finish_reason",
                             [](const PyChunk& chunk) { return finish_reason_of(chunk); })
      .def("take_prompt_logits",
           [](PyChunk& chunk) { return take_prompt_logits(chunk, chunk.n_vocab); });
  py::class_<PyCompletion>(m, "Completion")
      .def("next_chunk", &next_chunk, py::arg("timeout") = py::none())
      .def("cancel", [](PyCompletion& self) { self.completion->cancel(); })
      .def("fileno", [](PyCompletion& self) { return self.completion->fd(); });
}

}  // namespace

void bind_engine(py::module_& m) {
  bind_options(m);
  bind_request(m);
  bind_stats(m);
  bind_completion(m);
  py::class_<Engine, EnginePointer>(m, "Engine")
      .def(py::init([](const py::object& path, const EngineOptions& options,
                       const py::object& on_load) {
             const std::string file = path_of(path);
             const auto progress = [&](size_t done, size_t total) {
               const py::gil_scoped_acquire gil;
               if (PyErr_CheckSignals() != 0) throw py::error_already_set();
               if (!on_load.is_none()) on_load(done, total);
             };
             return without_gil([&] { return EnginePointer(new Engine(file, options, progress)); });
           }),
           py::arg("path"), py::arg("options"), py::arg("on_load") = py::none())
      .def_property_readonly("device", &Engine::device)
      .def_property_readonly("isa", &Engine::isa)
      .def_property_readonly("arithmetic", &Engine::arithmetic)
      .def_property_readonly("n_ctx", &Engine::n_ctx)
      .def_property_readonly("n_threads", &Engine::n_threads)
      .def_property_readonly("n_vocab", &Engine::n_vocab)
      .def_property_readonly("weights_file",
                             [](const Engine& self) { return decode_path(self.weights_file()); })
      .def(
          "submit",
          [](Engine& self, Request request) {
            return PyCompletion{without_gil([&] { return self.submit(std::move(request)); }),
                                self.n_vocab()};
          },
          py::arg("request"))
      .def("stats", &Engine::stats)
      .def("take_warnings",
           [](Engine& self) {
             std::vector<py::str> texts;
             for (const std::string& warning : self.take_warnings())
               texts.push_back(decode_path(warning));
             return texts;
           })
      .def("close", [](Engine& self) {
        without_gil([&] {
          self.close();
          return true;
        });
      });
  m.def("devices", &devices, "Devices this build can compute on, best first.");
  m.def("cpu_isas", &cpu_isas, py::arg("compute") = "int8",
        "Instruction sets that the device \"cpu\" has kernels for on this machine, best first.");
}

}  // namespace gptoss::bindings

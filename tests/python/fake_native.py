"""A scripted stand-in for gptoss_gguf._native: same classes, no model.

What a request yields is decided by Engine.script: a function from the request to steps, each a Chunk to
deliver, an Exception to raise in next_chunk, or a number of seconds to wait first. After the last step
without a finish_reason the completion hangs until it is cancelled.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gptoss_gguf.errors import QueueFullError, RequestError
from numpy.typing import NDArray

from . import vocabulary


@dataclass
class RequestStats:
    queue_seconds: float = 0
    prefill_seconds: float = 0
    decode_seconds: float = 0
    n_cached: int = 0
    n_drafted: int = 0
    n_accepted: int = 0
    n_preempted: int = 0


@dataclass
class Chunk:
    token_ids: list[int] = field(default_factory=list)
    finish_reason: str | None = None
    logprobs: list[float] = field(default_factory=list)
    top_logprobs: list[list[tuple[int, float]]] = field(default_factory=list)
    n_prompt: int = 0
    prompt_logits: NDArray[np.float32] | None = None
    stats: RequestStats = field(default_factory=RequestStats)

    def take_prompt_logits(self) -> NDArray[np.float32] | None:
        rows, self.prompt_logits = self.prompt_logits, None
        return rows


Step = Chunk | Exception | float
Script = Callable[["Request"], Iterable[Step]]


@dataclass
class EngineOptions:
    device: str = "auto"
    compute: str = "auto"
    n_ctx: int = 0
    n_threads: int = 0
    n_batch: int = 512
    max_sequences: int = 8
    max_queue: int = 256
    profile: bool = False
    keep_in: str = ""
    prefix_cache: bool = True
    prefix_folder: str = ""
    prefix_disk_bytes: int = 0
    speculation: bool = True


class Request:
    def __init__(
        self,
        prompt: list[int],
        *,
        max_tokens: int = -1,
        stop_tokens: list[int] | None = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        presence_penalty: float = 0.0,
        frequency_penalty: float = 0.0,
        logit_bias: list[tuple[int, float]] | None = None,
        seed: int = 0,
        completion_index: int = 0,
        top_logprobs: int = -1,
        prompt_logits: bool = False,
        client: str = "",
        priority: int = 0,
        timeout: float = 0,
        prediction: list[int] | None = None,
    ) -> None:
        self.prompt = prompt
        self.options = {k: v for k, v in locals().items() if k not in ("self", "prompt")}
        self.stop_tokens = stop_tokens or []
        self.completion_index = completion_index


@dataclass
class EngineStats:
    n_steps: int
    n_running: int
    n_waiting: int
    n_pages_used: int
    n_pages_total: int


class ModelFile:
    def __init__(self, path: str) -> None:
        self.paths = [path]
        self.metadata = vocabulary.metadata(list(vocabulary.small_ranks())) | {
            "general.architecture": "gpt-oss",
            "general.name": "fake",
            "gpt-oss.block_count": 2,
        }
        self.tensors: list[Any] = []


class Completion:
    """Delivers its steps from a thread of its own, as the engine would."""

    def __init__(self, engine: "Engine", steps: Iterable[Step]) -> None:
        self._engine = engine
        self._ready: deque[Chunk | Exception] = deque()
        self._lock = threading.Condition()
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)
        self._cancelled = threading.Event()
        self._over = False  # the last chunk was taken
        self._thread = threading.Thread(target=self._deliver, args=(steps,), daemon=True)
        self._thread.start()

    def _deliver(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if isinstance(step, int | float):
                self._cancelled.wait(step)
            if self._cancelled.is_set():
                break
            if not isinstance(step, int | float):
                self._engine.n_steps += 1
                self._put(step)
                if isinstance(step, Exception) or step.finish_reason:
                    return
        self._cancelled.wait()
        self._put(Chunk(finish_reason="cancelled"))

    def _put(self, item: Chunk | Exception) -> None:
        if isinstance(item, Exception) or item.finish_reason:
            self._engine.end(self)  # before the chunk is seen: its place in the queue is free by then
        with self._lock:
            self._ready.append(item)
            os.eventfd_write(self._fd, 1)
            self._lock.notify()

    def next_chunk(self, timeout: float | None = None) -> Chunk | None:
        with self._lock:
            if self._over:
                raise RequestError("the request has ended")
            if not self._ready and not self._lock.wait_for(lambda: self._ready, timeout):
                return None
            item = self._ready.popleft()
            if not self._ready:
                os.eventfd_read(self._fd)
        if isinstance(item, Exception):
            self._over = True
            raise item
        self._over = item.finish_reason is not None
        return item

    def cancel(self) -> None:
        self._engine.cancel(self, self._cancelled.is_set())
        self._cancelled.set()

    def fileno(self) -> int:
        return self._fd

    def join(self) -> None:
        self._thread.join()

    def __del__(self) -> None:
        os.close(self._fd)


def echo(request: Request) -> Iterable[Step]:
    """The prompt again, token by token, then the first stop token."""
    for token in request.prompt:
        yield Chunk([token])
    yield Chunk(request.stop_tokens[:1], "stop")


def slow_echo(request: Request) -> Iterable[Step]:
    """The same, with a pause before each step."""
    for step in echo(request):
        yield 0.002
        yield step


class Engine:
    """Set `script` and `capacity` on the class before a model is opened."""

    script: Script = staticmethod(echo)
    capacity: int = 1000  # most requests at once; more raise QueueFullError

    def __init__(self, path: str, options: EngineOptions, on_load: Callable[[int, int], None]) -> None:
        on_load(1, 1)
        self.path = path
        self.options = options
        self.device = "fake" if options.device == "auto" else options.device
        self.n_ctx = options.n_ctx or 131_072
        self.n_threads = options.n_threads or 1
        self.n_vocab = len(vocabulary.metadata(list(vocabulary.small_ranks()))["tokenizer.ggml.tokens"])
        self.requests: list[Request] = []
        self.n_steps = self.n_cancelled = self.n_refused = self.most_active = 0
        self.active: set[Completion] = set()
        self.is_closed = False
        self._lock = threading.RLock()

    def submit(self, request: Request) -> Completion:
        with self._lock:
            if self.is_closed:
                raise RequestError("the engine is closed")
            if len(self.active) >= self.capacity:
                self.n_refused += 1
                raise QueueFullError("the queue is full")
            self.requests.append(request)
            completion = Completion.__new__(Completion)
            self.active.add(completion)
            self.most_active = max(self.most_active, len(self.active))
            completion.__init__(self, type(self).script(request))  # type: ignore[misc]
            return completion

    def end(self, completion: Completion) -> None:
        with self._lock:
            self.active.discard(completion)

    def cancel(self, completion: Completion, is_repeated: bool) -> None:
        with self._lock:
            if completion in self.active and not is_repeated:
                self.n_cancelled += 1

    def take_warnings(self) -> list[str]:
        return []

    def stats(self) -> EngineStats:
        return EngineStats(self.n_steps, len(self.active), 0, 0, 0)

    def close(self) -> None:
        self.is_closed = True
        for completion in list(self.active):
            completion.cancel()
            completion.join()


def version() -> str:
    return "fake"


def devices() -> list[str]:
    return ["fake"]


def cpu_isas(compute: str = "int8") -> list[str]:
    return ["fake"]

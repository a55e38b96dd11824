"""The native engine. Blocking calls release the GIL; every object is safe to use from several threads."""

from collections.abc import Callable
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

StrPath = str | bytes | PathLike[str]

class GptossError(Exception): ...
class ModelFileError(GptossError): ...
class RequestError(GptossError): ...
class QueueFullError(GptossError): ...
class OutOfMemoryError(GptossError): ...

class TensorInfo:
    name: str
    type: str
    shape: list[int]  # ggml order: shape[0] is the contiguous dimension
    n_bytes: int
    offset: int
    file: int

class ModelFile:
    """Header, metadata and tensor table of a GGUF file (all parts of a split one); reads no tensor data."""

    def __init__(self, path: StrPath) -> None: ...
    @property
    def paths(self) -> list[str]: ...
    @property
    def metadata(self) -> dict[str, Any]: ...  # strings are decoded as UTF-8 with 'surrogateescape'
    @property
    def tensors(self) -> list[TensorInfo]: ...

class EngineOptions:
    def __init__(
        self,
        *,
        device: str = "auto",
        compute: str = "auto",  # what inputs of matrix products are rounded to; on "cpu" "int8" or "bf16"
        n_ctx: int = 0,  # most tokens of one sequence; 0 = as many as the model and memory allow
        n_threads: int = 0,  # 0 = one per core
        n_batch: int = 512,  # most tokens computed in one step
        max_sequences: int = 8,  # most sequences computed in one step
        max_queue: int = 256,  # most requests beyond those, which wait
        n_cached: int = 0,  # most tokens in the KV cache, all sequences together; 0 = as memory allows
        profile: bool = False,  # lets requests ask for a record of every operation
        keep_in: StrPath = "",  # folder where prepared weights wait for the next start; "" = nowhere
        prefix_cache: bool = True,  # go on from what earlier prompts and answers have in common
        prefix_folder: StrPath = "",  # where they outlive the process; "" = nowhere
        prefix_disk_bytes: int = 8589934592,  # most bytes of them
        speculation: bool = True,  # guess what repeats, and check several tokens at once
    ) -> None: ...
    @property
    def device(self) -> str: ...
    @property
    def compute(self) -> str: ...
    @property
    def n_ctx(self) -> int: ...
    @property
    def n_threads(self) -> int: ...
    @property
    def n_batch(self) -> int: ...
    @property
    def max_sequences(self) -> int: ...
    @property
    def max_queue(self) -> int: ...
    @property
    def n_cached(self) -> int: ...
    @property
    def profile(self) -> bool: ...
    @property
    def keep_in(self) -> str: ...
    @property
    def prefix_cache(self) -> bool: ...
    @property
    def prefix_folder(self) -> str: ...
    @property
    def prefix_disk_bytes(self) -> int: ...
    @property
    def speculation(self) -> bool: ...

class Request:
    """One completion: a prompt and how to continue it."""

    def __init__(
        self,
        prompt: list[int],
        *,
        max_tokens: int = -1,  # -1 = until the context is full
        stop_tokens: list[int] = ...,  # generation ends after one of these; it is included in the chunk
        temperature: float = 1.0,  # 0 = greedy
        top_k: int = 0,  # 0 = all
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        presence_penalty: float = 0.0,
        frequency_penalty: float = 0.0,
        logit_bias: list[tuple[int, float]] = ...,
        seed: int = 0,
        completion_index: int = 0,  # which of n completions of one prompt this is; part of the RNG counter
        top_logprobs: int = -1,  # -1 = no logprobs; k = the sampled token's and the k best
        prompt_logits: bool = False,  # return the logits of every prompt position
        n_depth: int = 0,  # leading prompt tokens that share no step with those behind them
        profile: bool = False,  # record every operation; needs EngineOptions(profile=True)
        forced: list[int] = ...,  # the first tokens of the output, whatever is sampled; without logprobs
        client: str = "",  # whose request it is: clients get equal shares of the engine
        priority: int = 0,  # higher goes first, and displaces lower ones
        timeout: float = 0.0,  # seconds after which it ends as it is; 0 = never
        reuse_prefix: bool = True,  # as EngineOptions.prefix_cache, for this request
        speculate: bool = True,  # as EngineOptions.speculation, for this request
        prediction: list[int] = ...,  # what the answer is expected to be like: makes it faster
    ) -> None: ...

class OpCall:
    """One call of an operation, with the least it must move and multiply; times in monotonic seconds."""

    name: str
    begin: float
    end: float
    bytes: int  # weights, KV and activations
    macs: int  # multiply-adds

class StepReport:
    """One step of the engine that worked on a request; times in monotonic seconds."""

    begin: float
    end: float
    n_tokens: int  # of this request that the step computed
    calls: list[OpCall]  # in order, if asked for; of the whole step, other requests included

class RequestStats:
    queue_seconds: float  # until it was first worked on
    prefill_seconds: float  # from then until its first token
    decode_seconds: float  # from then on
    n_cached: int  # prompt tokens that needed no computing
    n_drafted: int  # guessed tokens that were checked
    n_accepted: int  # and were right
    n_preempted: int  # times that it gave its pages back

class Chunk:
    """What became ready since the last chunk. All lists are aligned with token_ids."""

    token_ids: list[int]
    logprobs: list[float]  # empty unless asked for; before any mask, penalty or temperature
    top_logprobs: list[list[tuple[int, float]]]
    finish_reason: str | None  # "stop" | "length" | "cancelled" | "timeout"; on the last chunk only
    n_prompt: int  # prompt tokens computed so far
    steps: list[StepReport]  # that worked on this request
    stats: RequestStats  # so far
    def take_prompt_logits(
        self,
    ) -> NDArray[np.float32] | None: ...  # (n, n_vocab) rows of this chunk, moved out

class Completion:
    """A submitted request."""

    def next_chunk(self, timeout: float | None = None) -> Chunk | None:
        """The next chunk, or None when `timeout` seconds passed. After the last chunk: raises RequestError.

        An error of the engine while serving this request is raised here.
        """
    def cancel(self) -> None:
        """Asks the engine to stop; it does within one step. Safe to call at any time, any number of times."""
    def fileno(self) -> int:
        """A descriptor that is readable while a chunk waits; owned by this object."""

class EngineStats:
    """Counts since the start, but for what is running and waiting, and for pages."""

    n_running: int  # sequences that hold KV pages
    n_waiting: int  # requests in the queue
    n_pages_used: int  # KV pages of running sequences
    n_pages_cached: int  # of prefixes that no sequence uses now
    n_pages_total: int
    n_steps: int
    n_prompt_tokens: int  # computed
    n_generated_tokens: int
    n_cached_tokens: int  # of prompts, that needed no computing
    n_drafted_tokens: int  # guessed ones that were checked
    n_accepted_tokens: int  # of those, the right ones
    n_preempted: int  # times a sequence gave its pages back, to be computed again later
    seconds_in_steps: float  # computing
    seconds_between_steps: float  # scheduling and delivering

class Engine:
    def __init__(
        self, path: StrPath, options: EngineOptions, on_load: Callable[[int, int], None] | None = None
    ) -> None:
        """Loads a model. on_load takes the bytes of weights that are ready and those of all; what it raises
        ends the loading."""
    @property
    def device(self) -> str: ...
    @property
    def isa(self) -> str: ...  # instruction set it computes with, as in measure_machine()
    @property
    def arithmetic(self) -> str: ...  # of its matrix products, as in measure_machine()
    @property
    def n_ctx(self) -> int: ...
    @property
    def n_threads(self) -> int: ...
    @property
    def n_vocab(self) -> int: ...
    @property
    def weights_file(self) -> str: ...  # what EngineOptions.keep_in holds for this model; "" if nothing
    def submit(self, request: Request) -> Completion:
        """Raises RequestError (can never be served) or QueueFullError (try again later)."""
    def stats(self) -> EngineStats: ...
    def take_warnings(self) -> list[str]:
        """What went wrong with prefixes on disk since the last call."""
    def close(self) -> None:
        """Cancels everything and joins the engine thread. Idempotent."""

class ArithmeticPeak:
    isa: str  # "scalar" (what the compiler makes of plain code), "avx2", ...
    arithmetic: str  # "float32", "int8" or "bf16"
    macs_per_second: float  # multiply-adds of all threads

class MachineLimits:
    n_threads: int
    read_bytes_per_second: float  # from memory, all threads reading
    peaks: list[ArithmeticPeak]  # of every instruction set this machine has, plainest first

def available_memory() -> int | None: ...  # bytes this process may still take; None if unknown
def measure_machine(n_threads: int = 0) -> MachineLimits:
    """What this machine can read and multiply; takes about two seconds. 0 threads: one per core."""

def version() -> str: ...
def devices() -> list[str]: ...
def cpu_isas(compute: str = "int8") -> list[str]: ...
def tensor_table() -> list[tuple[str, bool, tuple[str, ...], str]]:
    """(name without "blk.N.", per layer, names of sizes in ggml order, role) of every tensor of a model."""

"""An open model: the native engine, its tokenizer, and completions in flight. Shared by LLM and AsyncLLM."""

import atexit
import operator
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

import numpy as np

from gptoss_gguf import _native
from gptoss_gguf.assemble import Assembler
from gptoss_gguf.errors import RequestError
from gptoss_gguf.loading import open_engine
from gptoss_gguf.output import Chunk, Output
from gptoss_gguf.params import SamplingParams
from gptoss_gguf.tokenizer import Tokenizer

# What ends a completion: the end of a turn, of a tool call, of a document.
_END_TOKENS = ("<|return|>", "<|call|>", "<|endoftext|>")

Prompt = str | Sequence[int]

_open: "WeakSet[Session]" = WeakSet()


@atexit.register
def _close_all() -> None:
    """A daemon thread that waits for a chunk while the interpreter ends gets its last one instead."""
    for session in list(_open):
        session.engine.close()


@dataclass(frozen=True, slots=True)
class Job:
    """One completion to be submitted: number `index` of `params.n` for its prompt."""

    prompt: list[int]
    params: SamplingParams
    seed: int
    index: int


class _InFlight:
    """A request that the engine works on. Leaving its `with` block before the end cancels it."""

    def __init__(self, completion: "_native.Completion") -> None:
        self._completion = completion
        self.finished = False

    def fileno(self) -> int:
        """Readable while a chunk waits."""
        return self._completion.fileno()

    def cancel(self) -> None:
        """Stops the work within one step of the engine. Does nothing once finished."""
        if not self.finished:
            self.finished = True
            self._completion.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()


class Running(_InFlight):
    """A completion in flight."""

    def __init__(self, completion: "_native.Completion", assembler: Assembler) -> None:
        super().__init__(completion)
        self._assembler = assembler
        self.n_prompt_done = 0  # tokens of the prompt computed so far

    def poll(self, timeout: float) -> Chunk | None:
        """The next chunk, or None if none came within `timeout` seconds. Not to be called once finished."""
        native = self._completion.next_chunk(timeout)
        if native is not None:
            self.n_prompt_done = native.n_prompt
        chunk = None if native is None else self._assembler.feed(native)
        if native is not None and native.finish_reason is not None:
            self.finished = True
        elif self._assembler.finished:
            self.cancel()  # a stop string was found; the engine does not know
        return chunk


class RunningLogits(_InFlight):
    """The logits of a prompt in flight. Once finished, `rows` is float32 (n_tokens, n_vocab)."""

    def __init__(self, completion: "_native.Completion", n_tokens: int, n_vocab: int) -> None:
        super().__init__(completion)
        self.rows = np.empty((n_tokens, n_vocab), np.float32)
        self._n_done = 0

    def poll(self, timeout: float) -> None:
        """Waits up to `timeout` seconds for more rows. Not to be called once finished."""
        native = self._completion.next_chunk(timeout)
        if native is None:
            return
        part = native.take_prompt_logits()
        if part is not None:
            self.rows[self._n_done : self._n_done + len(part)] = part
            self._n_done += len(part)
        if native.finish_reason is not None:
            self.finished = True
            if self._n_done != len(self.rows):
                raise RequestError(f"cancelled after {self._n_done} of {len(self.rows)} rows of logits")


class Session:
    """The engine and tokenizer of one GGUF file. Safe to use from several threads."""

    def __init__(
        self,
        path: Path,
        *,
        device: str,
        compute: str,
        n_ctx: int,
        n_threads: int,
        n_batch: int,
        n_parallel: int,
        prefix_cache: bool,
        cache_dir: str | PathLike[str] | None,
        cache_disk_gb: float,
        speculation: bool,
        weights_cache: bool,
        quiet: bool,
    ) -> None:
        for name, choice in (("device", device), ("compute", compute)):
            if not isinstance(choice, str):
                raise RequestError(f"{name} must be a str, not {type(choice).__name__}")
        counts = (
            ("n_ctx", n_ctx), ("n_threads", n_threads), ("n_batch", n_batch), ("n_parallel", n_parallel),
        )  # fmt: skip
        for name, value in counts:
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
                raise RequestError(f"{name}={value!r} is not allowed: it must be a whole number from 0")
        self.path = path
        self.tokenizer = Tokenizer.from_metadata(_native.ModelFile(str(path)).metadata, source=path.name)
        self.engine = open_engine(
            path,
            device=device,
            compute=compute,
            n_ctx=n_ctx,
            n_threads=n_threads,
            n_batch=n_batch,
            max_sequences=n_parallel,
            prefix_cache=prefix_cache,
            prefix_folder=_folder(cache_dir),
            prefix_disk_bytes=_disk_bytes(cache_disk_gb),
            speculation=speculation,
            weights_cache=weights_cache,
            quiet=quiet,
        )
        _open.add(self)
        specials = self.tokenizer.specials
        self._end_tokens = tuple(specials[name] for name in _END_TOKENS if name in specials)

    def jobs(self, prompt: Prompt, params: SamplingParams) -> list[Job]:
        """The n completions of a prompt. Text is encoded; raises RequestError for what is no prompt."""
        if not isinstance(params, SamplingParams):
            raise RequestError(f"params must be SamplingParams(...), not {type(params).__name__}")
        ids = (
            self.tokenizer.encode(prompt)
            if isinstance(prompt, str)
            else token_list(prompt, self.engine.n_vocab)
        )
        if not ids:
            raise RequestError("the prompt is empty: it must hold at least one token")
        seed = int.from_bytes(os.urandom(8)) if params.seed is None else params.seed
        return [Job(ids, params, seed, index) for index in range(params.n)]

    def submit(self, job: Job) -> Running:
        """Hands the job to the engine. Raises QueueFullError, or RequestError if it can never be served."""
        params = job.params
        stop_tokens = (*params.stop_token_ids, *(() if params.ignore_eos else self._end_tokens))
        request = _native.Request(
            job.prompt,
            max_tokens=-1 if params.max_tokens is None else params.max_tokens,
            stop_tokens=list(dict.fromkeys(stop_tokens)),
            temperature=params.temperature,
            top_k=params.top_k,
            top_p=params.top_p,
            min_p=params.min_p,
            repetition_penalty=params.repetition_penalty,
            presence_penalty=params.presence_penalty,
            frequency_penalty=params.frequency_penalty,
            logit_bias=list((params.logit_bias or {}).items()),
            seed=job.seed,
            completion_index=job.index,
            top_logprobs=-1 if params.logprobs is None else params.logprobs,
            client=params.client,
            priority=params.priority,
            timeout=params.timeout or 0,
            prediction=self._predicted(params),
        )
        assembler = Assembler(
            self.tokenizer,
            n_prompt=len(job.prompt),
            stop_tokens=stop_tokens,
            stop_strings=params.stop_strings,
            with_logprobs=params.logprobs is not None,
        )
        return Running(self.engine.submit(request), assembler)

    def _predicted(self, params: SamplingParams) -> list[int]:
        if isinstance(params.prediction, str):
            return self.tokenizer.encode(params.prediction)
        return token_list(params.prediction or (), self.engine.n_vocab)

    def warn(self) -> None:
        """Says what went wrong with prefixes on disk: they are kept no more, or one was damaged."""
        for text in self.engine.take_warnings():
            warnings.warn(text, RuntimeWarning, stacklevel=3)

    def submit_logits(self, token_ids: Iterable[int]) -> RunningLogits:
        """A request for the logits of every position of a prompt, and no new token."""
        n_vocab = self.engine.n_vocab
        ids = token_list(token_ids, n_vocab)
        if not ids:
            raise RequestError("logits needs at least one token")
        request = _native.Request(ids, max_tokens=0, prompt_logits=True)
        return RunningLogits(self.engine.submit(request), len(ids), n_vocab)


def _folder(cache_dir: str | PathLike[str] | None) -> str:
    if cache_dir is None:
        return ""
    if not isinstance(cache_dir, str | PathLike) or not os.fspath(cache_dir):
        raise RequestError(
            f"cache_dir={cache_dir!r} is not allowed: it must be the path of a folder, or None"
        )
    return str(Path(cache_dir).expanduser().absolute())


def _disk_bytes(gigabytes: float) -> int:
    is_number = isinstance(gigabytes, int | float) and not isinstance(gigabytes, bool)
    if not is_number or not 0 <= gigabytes <= 1e6:
        raise RequestError(f"cache_disk_gb={gigabytes!r} is not allowed: it must be a number from 0 to 1e6")
    return int(gigabytes * 1e9)


def token_list(ids: Iterable[Any], n_vocab: int) -> list[int]:
    """`ids` as a list of int. Raises RequestError for anything but integers from 0 to n_vocab - 1."""
    try:
        items = list(ids)
    except TypeError:
        raise RequestError(
            f"a prompt must be a str or a sequence of token ids, not {type(ids).__name__}"
        ) from None
    tokens: list[int] = []
    for position, item in enumerate(items):
        if isinstance(item, bool) or not hasattr(item, "__index__"):
            raise RequestError(
                f"a prompt must be a str or a sequence of token ids, but item {position} is "
                f"of type {type(item).__name__}"
            )
        tokens.append(operator.index(item))
        if not 0 <= tokens[-1] < n_vocab:
            raise RequestError(
                f"token id {tokens[-1]} at position {position} is not in the vocabulary of {n_vocab} tokens"
            )
    return tokens


def split_prompts(prompts: Any) -> tuple[list[Prompt], bool]:
    """The prompts as a list, and whether there was only one: a str or a sequence of token ids."""
    if isinstance(prompts, bytes | bytearray):
        raise RequestError("a prompt must be a str or a sequence of token ids, not bytes: decode it first")
    if isinstance(prompts, str):
        return [prompts], True
    try:
        items = list(prompts)
    except TypeError:
        raise RequestError(f"prompts must be a str or a sequence, not {type(prompts).__name__}") from None
    if items and all(hasattr(item, "__index__") for item in items):
        return [items], True
    return items, False


def group_outputs(outputs: list[Output], n: int, is_single: bool) -> Any:
    """Gives the flat list of completions the shape that `generate` documents."""
    per_prompt: list[Any] = outputs if n == 1 else [outputs[i : i + n] for i in range(0, len(outputs), n)]
    return per_prompt[0] if is_single else per_prompt

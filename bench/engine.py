"""Engines that can be timed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from gptoss_gguf import _native
from gptoss_gguf.bench.cases import Case

# Results wait in the engine until they are fetched: so few wake-ups do not disturb its threads.
_POLL_SECONDS = 0.05
_N_BATCH = 512

Progress = Callable[[int], None]  # takes the tokens done so far, those of the depth included


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a case. `steps` are those that were timed; they name operations if that was asked for."""

    steps: "list[_native.StepReport]"

    @property
    def seconds(self) -> float:
        """From the beginning of the first step to the end of the last, what is between them included."""
        return self.steps[-1].end - self.steps[0].begin

    @property
    def calls(self) -> "list[_native.OpCall]":
        """All operations, in order."""
        return [call for step in self.steps for call in step.calls]


class Engine(Protocol):
    """A model that is ready to be timed."""

    name: str  # "gptoss"
    device: str
    isa: str  # instruction set it computes with
    arithmetic: str  # of its matrix products: "float32" or "int8"
    n_threads: int
    n_batch: int  # most tokens of one step

    def run(self, case: Case, *, profile: bool, progress: Progress) -> Sample:
        """Runs a case once, from an empty KV cache."""


class GptossEngine:
    """This package's engine, below the tokenizer: token ids in, times of steps out."""

    name = "gptoss"

    def __init__(self, path: Path, *, device: str, n_threads: int, n_ctx: int) -> None:
        options = _native.EngineOptions(
            device=device,
            n_ctx=n_ctx,
            n_threads=n_threads,
            n_batch=_N_BATCH,
            max_sequences=1,
            max_queue=0,
            profile=True,
        )
        self._engine = _native.Engine(str(path), options)
        self.device = self._engine.device
        self.isa = self._engine.isa
        self.arithmetic = self._engine.arithmetic
        self.n_threads = self._engine.n_threads
        self.n_batch = _N_BATCH

    def run(self, case: Case, *, profile: bool, progress: Progress) -> Sample:
        """Runs a case once. Every step that is timed computes logits where llama-bench does.

        A prompt's last step chooses a token too; a generation begins with one token behind the depth.
        """
        n_prompt = case.n_depth + (case.n_prompt or 1)
        request = _native.Request(
            np.random.default_rng(0).integers(0, self._engine.n_vocab, n_prompt).tolist(),
            max_tokens=case.n_gen or 1,
            temperature=0,
            n_depth=case.n_depth,
            profile=profile,
        )
        steps: list[_native.StepReport] = []
        completion = self._engine.submit(request)
        try:
            finish_reason = None
            while finish_reason is None:
                time.sleep(_POLL_SECONDS)
                chunk = completion.next_chunk(0)
                if chunk is not None:
                    steps += chunk.steps
                    finish_reason = chunk.finish_reason
                    progress(sum(step.n_tokens for step in steps))
        finally:
            completion.cancel()
        return Sample(_behind(steps, case.n_depth))

    def close(self) -> None:
        """Frees the model. Idempotent."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _behind(steps: "list[_native.StepReport]", n_depth: int) -> "list[_native.StepReport]":
    """The steps behind the first n_depth tokens, which end with a step."""
    first, n_done = 0, 0
    while n_done < n_depth:
        n_done += steps[first].n_tokens
        first += 1
    return steps[first:]

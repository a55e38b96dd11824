"""Engines that can be timed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from gptoss_gguf import _native
from gptoss_gguf.bench.cases import Case
from gptoss_gguf.bench.setup import Setup
from gptoss_gguf.errors import GptossError
from gptoss_gguf.loading import open_engine
from numpy.random import default_rng  # numpy imports it late, and then loses a Ctrl-C

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
    arithmetic: str  # of its matrix products: "float32", "int8" or "bf16"
    n_threads: int
    n_batch: int  # most tokens of one step

    def run(self, case: Case, *, profile: bool, progress: Progress) -> Sample:
        """Runs a case once, from an empty KV cache."""


class GptossEngine:
    """This package's engine, below the tokenizer: token ids in, times of steps out."""

    name = "gptoss"

    def __init__(self, path: Path, setup: Setup, cases: Sequence[Case]) -> None:
        """cases: those that it will run; they decide how much context there must be."""
        n_parallel = max(case.n_parallel for case in cases)
        self._load: Callable[[], _native.Engine] = partial(
            open_engine,
            path,
            **asdict(setup),
            n_ctx=max(case.n_ctx + _lead(case) for case in cases),
            n_batch=_N_BATCH,
            max_sequences=n_parallel,
            max_queue=n_parallel,  # while those of the run before still end
            profile=True,
        )
        self._loaded: _native.Engine | None = self._load()
        self.device = self._loaded.device
        self.isa = self._loaded.isa
        self.arithmetic = self._loaded.arithmetic
        self.n_threads = self._loaded.n_threads
        self.n_batch = _N_BATCH

    @property
    def _engine(self) -> "_native.Engine":
        """Loaded again if it was closed."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def run(self, case: Case, *, profile: bool, progress: Progress) -> Sample:
        """Runs a case once, on random tokens. Every timed step computes logits where llama-bench does.

        A prompt's last step chooses a token too; a generation begins with one token behind the depth.
        """
        completions = [self._submit(case, seed, profile) for seed in range(case.n_parallel)]
        steps: list[list[_native.StepReport]] = [[] for _ in completions]
        running = set(range(case.n_parallel))
        try:
            while running:
                time.sleep(_POLL_SECONDS)
                for index in list(running):
                    while (chunk := completions[index].next_chunk(0)) is not None:
                        steps[index] += chunk.steps
                        if chunk.finish_reason is not None:
                            running.remove(index)
                            break
                n_done = sum(step.n_tokens for own in steps for step in own)
                progress(min(n_done, case.n_computed))
                if case.n_parallel > 1 and len(_together(steps, case)) == case.n_gen:
                    break
        finally:
            for completion in completions:
                completion.cancel()
        if case.n_parallel == 1:
            return Sample(_behind(steps[0], case.n_depth))
        timed = _together(steps, case)
        if len(timed) < case.n_gen:
            raise GptossError(f"{case.name}: the sequences did not begin together; is this machine busy?")
        return Sample(timed)

    def _submit(self, case: Case, seed: int, profile: bool) -> "_native.Completion":
        n_prompt = case.n_depth + (case.n_prompt or 1)
        n_output = (case.n_gen or 1) + _lead(case)
        tokens = default_rng(seed).integers(0, self._engine.n_vocab, n_prompt + n_output).tolist()
        request = _native.Request(
            tokens[:n_prompt],
            max_tokens=n_output,
            forced=tokens[n_prompt:],
            temperature=0,
            n_depth=case.n_depth,
            profile=profile,
            reuse_prefix=False,  # computed anew every time
        )
        return self._engine.submit(request)

    def close(self) -> None:
        """Frees the model; the next run loads it again. Idempotent."""
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _behind(steps: "list[_native.StepReport]", n_depth: int) -> "list[_native.StepReport]":
    """The steps behind the first n_depth tokens, which end with a step."""
    first, n_done = 0, 0
    while n_done < n_depth and first < len(steps):
        n_done += steps[first].n_tokens
        first += 1
    return steps[first:]


def _lead(case: Case) -> int:
    """Steps that the first of several sequences may take before the last one generates, too; or more.

    They take one for each part of a prompt; and a small model takes many while the next request is made.
    """
    return case.n_parallel * (case.n_depth // _N_BATCH + 1) + 256 if case.n_parallel > 1 else 0


def _together(steps: "list[list[_native.StepReport]]", case: Case) -> "list[_native.StepReport]":
    """n_gen steps, or fewer, in which every sequence generates a token; steps: of each sequence."""
    generating = [{step.begin: step for step in _behind(own, case.n_depth)} for own in steps]
    common = [begin for begin in generating[0] if all(begin in own for own in generating)]
    return [generating[0][begin] for begin in common[: case.n_gen]]

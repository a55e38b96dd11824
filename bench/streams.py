"""Requests in flight on one engine, with the times of their tokens."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass

import numpy as np
from gptoss_gguf import _native

_POLL = 0.05  # seconds


@dataclass(frozen=True)
class Sizes:
    """Tokens: of the long prompt, of the prompts of streams, and that a stream generates."""

    long_prompt: int
    prompt: int
    output: int


@dataclass
class Done:
    """A request that ended: its tokens, and the ends of the steps that gave them."""

    tokens: list[int]
    times: list[float]  # of each token, monotonic seconds
    submitted: float
    stats: _native.RequestStats | None = None  # at the end

    @property
    def first(self) -> float:
        """Seconds until the first token."""
        return self.times[0] - self.submitted

    @property
    def seconds(self) -> float:
        """From the first token to the last."""
        return self.times[-1] - self.times[0]


class Client:
    """Requests in flight on one engine, collected in any order."""

    def __init__(self, engine: _native.Engine, sizes: Sizes, seed: int = 0) -> None:
        self.engine = engine
        self.sizes = sizes
        self._random = np.random.default_rng(seed)

    def prompt(self, n: int) -> list[int]:
        tokens: list[int] = self._random.integers(0, self.engine.n_vocab, n).tolist()
        return tokens

    def start(self, prompt: list[int], n_output: int, prediction: list[int] | None = None) -> Running:
        request = _native.Request(prompt, max_tokens=n_output, temperature=0, prediction=prediction or [])
        return Running(self.engine.submit(request))

    def run(self, prompt: list[int], n_output: int, prediction: list[int] | None = None) -> Done:
        return self.start(prompt, n_output, prediction).wait()


class Running:
    def __init__(self, completion: _native.Completion) -> None:
        self._completion = completion
        self.done = Done([], [], time.monotonic())
        self.is_finished = False

    def poll(self, timeout: float = 0) -> bool:
        """Takes what is there; whether there was anything."""
        if self.is_finished or (chunk := self._completion.next_chunk(timeout)) is None:
            return False
        self.done.tokens += chunk.token_ids
        # One token a step, but for guesses: of those, and of what was merged with them, the last step's time.
        ends = [step.end for step in chunk.steps][-len(chunk.token_ids) :] if chunk.token_ids else []
        n_last = len(chunk.token_ids) - len(ends)
        self.done.times += [ends[0]] * n_last + ends if ends else []
        self.done.stats = chunk.stats
        self.is_finished = chunk.finish_reason is not None
        return True

    def wait(self) -> Done:
        while not self.is_finished:
            self.poll(_POLL)
        return self.done

    def fileno(self) -> int:
        return self._completion.fileno()

    def cancel(self) -> None:
        self._completion.cancel()


def poll(running: list[Running]) -> None:
    """Waits until one of them has something, and takes it."""
    ready = select.poll()
    by_fd = {each.fileno(): each for each in running if not each.is_finished}
    for fd in by_fd:
        ready.register(fd, select.POLLIN)
    for fd, _ in ready.poll(_POLL * 1000):
        by_fd[fd].poll()


def collect(running: list[Running]) -> list[Done]:
    """Waits until all have ended."""
    while not all(each.is_finished for each in running):
        poll(running)
    return [each.wait() for each in running]

"""What the engine does for many requests: `python -m bench.serving MODEL.gguf [--case NAME]` prints a table.

Times are those of the engine's steps. Every case says what it divides by what.
"""

from __future__ import annotations

import argparse
import select
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gptoss_gguf import _native
from gptoss_gguf.loading import open_engine

_POLL = 0.05  # seconds


@dataclass(frozen=True)
class Sizes:
    """Tokens: of the long prompt, of the prompts of streams, and that a stream generates."""

    long_prompt: int
    prompt: int
    output: int


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    case: str
    value: str
    of: str


@dataclass
class Done:
    """A request that ended: its tokens, and the ends of the steps that gave them."""

    tokens: list[int]
    times: list[float]  # of each token, monotonic seconds
    submitted: float
    stats: _native.RequestStats

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
        request = _native.Request(
            prompt,
            max_tokens=n_output,
            temperature=0,
            prediction=prediction or [],
            client=str(time.monotonic()),
        )
        return Running(self.engine.submit(request))

    def run(self, prompt: list[int], n_output: int, prediction: list[int] | None = None) -> Done:
        return self.start(prompt, n_output, prediction).wait()


class Running:
    def __init__(self, completion: _native.Completion) -> None:
        self._completion = completion
        self._done = Done([], [], time.monotonic(), _native.RequestStats)  # type: ignore[arg-type]
        self.is_finished = False

    def poll(self, timeout: float = 0) -> bool:
        """Takes what is there; whether there was anything."""
        if self.is_finished or (chunk := self._completion.next_chunk(timeout)) is None:
            return False
        self._done.tokens += chunk.token_ids
        # One token a step, but for guesses: of those, and of what was merged with them, the last step's time.
        ends = [step.end for step in chunk.steps][-len(chunk.token_ids) :] if chunk.token_ids else []
        n_last = len(chunk.token_ids) - len(ends)
        self._done.times += [ends[0]] * n_last + ends if ends else []
        self._done.stats = chunk.stats
        self.is_finished = chunk.finish_reason is not None
        return True

    def wait(self) -> Done:
        while not self.is_finished:
            self.poll(_POLL)
        return self._done

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


def ratio(value: float, base: float) -> str:
    return f"{value / base:.3g}"


# --- Cases: each takes a fresh engine


def parallel(client: Client) -> Iterator[Row]:
    """Sixteen streams together against one after the other."""
    sizes = client.sizes
    prompts = [client.prompt(sizes.prompt) for _ in range(16)]
    begin = time.monotonic()
    for prompt in prompts[:4]:
        client.run(prompt, sizes.output)
    alone = (time.monotonic() - begin) * 4
    begin = time.monotonic()
    collect([client.start(client.prompt(sizes.prompt), sizes.output) for _ in prompts])
    together = time.monotonic() - begin
    n_tokens = 16 * sizes.output
    yield Row(
        "16 streams together / one by one", ratio(alone, together), f"{n_tokens / together:.1f} t/s together"
    )


def gaps(client: Client) -> Iterator[Row]:
    """Eight streams, and a long prompt that enters."""
    sizes = client.sizes
    idle = client.run(client.prompt(sizes.long_prompt), 1)
    streams = [client.start(client.prompt(sizes.prompt), 100_000) for _ in range(8)]
    long = None
    quiet: list[float] = []
    busy: list[float] = []
    while True:
        poll([*streams, long] if long is not None else streams)
        n_done = [len(each._done.times) for each in streams]
        if long is None and min(n_done) > 24:
            quiet = [gap for each in streams for gap in np.diff(each._done.times[4:])]
            n_before = n_done
            long = client.start(client.prompt(sizes.long_prompt), 1)
        if long is not None and long.is_finished:
            break
    busy = [gap for each, n in zip(streams, n_before, strict=True) for gap in np.diff(each._done.times[n:])]
    for each in streams:
        each.cancel()
    collect(streams)
    p99 = float(np.percentile(busy, 99))
    before = statistics.median(quiet)
    yield Row(
        "gap of 8 streams while a long prompt enters, p99 / without",
        ratio(p99, before),
        f"{before:.3f} s without",
    )
    yield Row(
        "time to first token of that prompt / alone",
        ratio(long.wait().first, idle.first),
        f"{idle.first:.1f} s alone",
    )


def prediction(client: Client) -> Iterator[Row]:
    """The same answer, with and without the text that it is an edit of."""
    sizes = client.sizes
    prompt = client.prompt(sizes.prompt)
    plain = client.run(prompt, sizes.output * 4)
    edited = list(plain.tokens)
    for place in range(20, len(edited), 40):
        edited[place] = (edited[place] + 1) % client.engine.n_vocab
    begin = client.engine.stats()
    guessed = client.run(prompt, sizes.output * 4, edited)
    end = client.engine.stats()
    assert guessed.tokens == plain.tokens
    n_drafted = end.n_drafted_tokens - begin.n_drafted_tokens
    yield Row(
        "decode speed with a prediction of which every 40th token differs / without",
        ratio(plain.seconds, guessed.seconds),
        f"{len(plain.tokens) / plain.seconds:.1f} t/s without; {n_drafted} tokens checked",
    )
    wrong = client.run(prompt, sizes.output * 4, client.prompt(len(edited)))
    yield Row(
        "decode speed with a prediction that is all wrong / without", ratio(plain.seconds, wrong.seconds), ""
    )


def trace(client: Client) -> Iterator[Row]:
    """An agent of 20 turns: each prompt is all before it, the answer and a tool's result."""
    sizes = client.sizes
    prompt = client.prompt(sizes.prompt * 4)
    n_least = len(prompt)
    begin = client.engine.stats()
    for _ in range(20):
        done = client.run(prompt, 24)
        added = client.prompt(80)
        prompt = prompt + done.tokens + added
        n_least += len(added) + 1  # the answer's last token has not been computed
    n_least -= len(added) + 1
    n_computed = client.engine.stats().n_prompt_tokens - begin.n_prompt_tokens
    yield Row(
        "prompt tokens computed in 20 growing turns / least possible",
        ratio(n_computed, n_least),
        f"{n_least} tokens",
    )


def overhead(client: Client) -> Iterator[Row]:
    """Between the kernels of one step and those of the next, at batch 1."""
    client.run(client.prompt(64), 8)
    begin = client.engine.stats()
    client.run(client.prompt(64), client.sizes.output)
    end = client.engine.stats()
    n_steps = end.n_steps - begin.n_steps
    between = (end.seconds_between_steps - begin.seconds_between_steps) / n_steps
    within = (end.seconds_in_steps - begin.seconds_in_steps) / n_steps
    yield Row(
        "time between steps",
        f"{between * 1e6:.0f} us",
        f"{100 * between / within:.2f} % of a step of {within * 1e3:.1f} ms",
    )


CASES: dict[str, Callable[[Client], Iterator[Row]]] = {
    "overhead": overhead,
    "parallel": parallel,
    "prediction": prediction,
    "trace": trace,
    "gaps": gaps,
}


def resume(path: Path, sizes: Sizes) -> Iterator[Row]:
    """A long prompt that is known, in memory and, after a restart, on disk."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open(path, folder)
        client = Client(engine, sizes)
        prompt = client.prompt(sizes.long_prompt)
        cold = client.run(prompt, 1).first
        warm = client.run(prompt, 1).first
        engine.close()
        engine = open(path, folder)
        disk = Client(engine, sizes).run(prompt, 1)
        engine.close()
        n_bytes = sum(file.stat().st_size for file in Path(folder).rglob("*.kv"))
    yield Row(
        "first token of a known long prompt, in memory / cold",
        f"{100 * warm / cold:.2f} %",
        f"{cold:.2f} s cold",
    )
    yield Row(
        "the same, on disk after a restart / cold",
        f"{100 * disk.first / cold:.2f} %",
        f"{disk.stats.n_cached} of {len(prompt)} tokens, {n_bytes / 1e6:.0f} MB",
    )


def open(path: Path, folder: str = "") -> _native.Engine:
    return open_engine(
        path, n_ctx=16384, max_sequences=16, prefix_folder=folder, prefix_disk_bytes=int(20e9), quiet=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--case", choices=[*CASES, "resume"], action="append", help="default: all")
    parser.add_argument("--long", type=int, default=8192, help="tokens of the long prompt")
    parser.add_argument("--prompt", type=int, default=64, help="tokens of other prompts")
    parser.add_argument("--output", type=int, default=48, help="tokens of an answer")
    args = parser.parse_args()
    sizes = Sizes(args.long, args.prompt, args.output)
    print("| case | result | |\n|---|---|---|")
    for name in args.case or [*CASES, "resume"]:
        if name == "resume":
            rows = resume(args.model, sizes)
        else:
            engine = open(args.model)
            rows = CASES[name](Client(engine, sizes))
        for row in rows:
            print(f"| {row.case} | {row.value} | {row.of} |", flush=True)
        if name != "resume":
            engine.close()


if __name__ == "__main__":
    sys.exit(main())

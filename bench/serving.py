"""What the engine does for many requests: `python -m gptoss_gguf.bench.serving MODEL.gguf` prints a table.

Times are those of the engine's steps. Every case says what it divides by what.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gptoss_gguf import _native
from gptoss_gguf.bench.streams import Client, Sizes, collect, poll
from gptoss_gguf.loading import open_engine


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    case: str
    value: str
    of: str


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
    while True:
        poll([*streams, long] if long is not None else streams)
        n_done = [len(each.done.times) for each in streams]
        if long is None and min(n_done) > 24:
            quiet = [gap for each in streams for gap in np.diff(each.done.times[4:])]
            n_before = n_done
            long = client.start(client.prompt(sizes.long_prompt), 1)
        if long is not None and long.is_finished:
            break
    busy = [gap for each, n in zip(streams, n_before, strict=True) for gap in np.diff(each.done.times[n:])]
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
        engine = open_model(path, folder)
        client = Client(engine, sizes)
        prompt = client.prompt(sizes.long_prompt)
        cold = client.run(prompt, 1).first
        warm = client.run(prompt, 1).first
        engine.close()
        engine = open_model(path, folder)
        disk = Client(engine, sizes).run(prompt, 1)
        engine.close()
        known = disk.stats.n_cached if disk.stats else 0
        n_bytes = sum(file.stat().st_size for file in Path(folder).rglob("*.kv"))
    yield Row(
        "first token of a known long prompt, in memory / cold",
        f"{100 * warm / cold:.2f} %",
        f"{cold:.2f} s cold",
    )
    yield Row(
        "the same, on disk after a restart / cold",
        f"{100 * disk.first / cold:.2f} %",
        f"{known} of {len(prompt)} tokens, {n_bytes / 1e6:.0f} MB",
    )


def open_model(path: Path, folder: str = "") -> _native.Engine:
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
            engine = open_model(args.model)
            rows = CASES[name](Client(engine, sizes))
        for row in rows:
            print(f"| {row.case} | {row.value} | {row.of} |", flush=True)
        if name != "resume":
            engine.close()


if __name__ == "__main__":
    main()

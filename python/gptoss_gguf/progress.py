"""Progress of long work, on stderr: a live bar on a terminal, a line now and then in a log, or nothing."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

_LOG_SECONDS = 10.0

Update = Callable[[int], None]  # takes the bytes done so far


class Reporter(Protocol):
    """Where long work says how far it is."""

    def note(self, text: str) -> None:
        """One line for the user."""

    def task(self, label: str, total: int) -> AbstractContextManager[Update]:
        """A task of `total` bytes; entering it gives the function to call with the bytes done so far."""


def size_text(n_bytes: float) -> str:
    """Three digits and a decimal unit: "12.9 GB"."""
    units = ["bytes", "kB", "MB", "GB"]
    while n_bytes >= 999.5 and len(units) > 1:
        n_bytes /= 1000
        del units[0]
    return f"{n_bytes:.3g} {units[0]}" if n_bytes < 999.5 else f"{n_bytes:,.0f} {units[0]}"


class Quiet:
    """Says nothing."""

    def note(self, text: str) -> None:
        del text

    @contextmanager
    def task(self, label: str, total: int) -> Generator[Update]:
        del label, total
        yield lambda done: None


class Log:
    """Lines on stderr, at most one every ten seconds per task."""

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def task(self, label: str, total: int) -> Generator[Update]:
        begin = last = time.monotonic()
        first: int | None = None

        def update(done: int) -> None:
            nonlocal last, first
            first = done if first is None else first
            now = time.monotonic()
            if now - last >= _LOG_SECONDS:
                last = now
                rate = (done - first) / (now - begin)
                left = f", {(total - done) / rate:.0f} s left" if rate > 0 else ""
                self.note(f"{label}: {size_text(done)} of {size_text(total)}, {size_text(rate)}/s{left}")

        yield update


class Live:
    """A bar with rate and time left on the terminal."""

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def task(self, label: str, total: int) -> Generator[Update]:
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda done: bar.update(task, completed=done)


def reporter(*, quiet: bool = False) -> Reporter:
    """The reporter that fits stderr."""
    if quiet:
        return Quiet()
    return Live() if sys.stderr.isatty() else Log()

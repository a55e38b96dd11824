"""A bar for the case that runs, on a terminal."""

import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

# The bar is drawn only when a result comes in: a thread that redraws would disturb what is measured.
Update = Callable[[int, int], None]  # done, in all


def token_bar(label: str) -> AbstractContextManager[Update]:
    """Shows tokens done on stderr, if that is a terminal, and removes the bar at the end."""
    return _bar(label, "tokens")


def turn_bar(ours: str, theirs: str) -> AbstractContextManager[Update]:
    """Shows how many turns two engines have taken, in the same way."""
    return _bar(f"{ours} and {theirs}", "turns")


@contextmanager
def _bar(label: str, unit: str) -> Generator[Update]:
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn(unit),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(label, total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, refresh=True)

        yield update

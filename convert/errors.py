"""The one exception that conversion raises for bad input."""

from __future__ import annotations

from collections.abc import Sequence


class ConvertError(Exception):
    """A checkpoint that cannot be converted, or an output that cannot be written.

    Attributes:
        problems: one line for every finding, not only the first.
    """

    def __init__(self, where: object, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        if len(self.problems) == 1:
            text = f"{where}: {self.problems[0]}"
        else:
            text = "\n  - ".join([f"{where}: {len(self.problems)} problems", *self.problems])
        super().__init__(text)

"""Repeats a case and sums it up."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import mean, stdev

from gptoss_gguf.bench.cases import Case
from gptoss_gguf.bench.engine import Engine, Sample

Progress = Callable[[int, int], None]  # tokens done, tokens in all


@dataclass(frozen=True)
class Rival:
    """Another engine's tokens per second in the same case, one value for each of our repetitions."""

    name: str
    tokens_per_second: list[float]


@dataclass(frozen=True)
class Row:
    """A case, timed.

    Attributes:
        n_bytes, n_macs: what one repetition moves and multiplies at least.
        begin: seconds since 1970.
        rival: what another engine reached in turns with this one, if there was one.
    """

    case: Case
    samples: list[Sample]
    n_bytes: int
    n_macs: int
    begin: float
    rival: Rival | None = None

    @cached_property
    def seconds(self) -> list[float]:
        return [sample.seconds for sample in self.samples]

    @property
    def tokens_per_second(self) -> list[float]:
        """Of every repetition."""
        return [self.case.n_tokens / seconds for seconds in self.seconds]

    @property
    def ratios(self) -> list[float]:
        """Our speed over the rival's, of every repetition."""
        assert self.rival is not None
        return [
            ours / theirs
            for ours, theirs in zip(self.tokens_per_second, self.rival.tokens_per_second, strict=True)
        ]

    @property
    def bytes_per_second(self) -> float:
        return self.n_bytes / mean(self.seconds)

    @property
    def macs_per_second(self) -> float:
        return self.n_macs / mean(self.seconds)


def measure(
    engine: Engine, case: Case, n_repetitions: int, *, profile: bool = False, progress: Progress
) -> Row:
    """Runs a case n_repetitions times, after one run that is not timed: it counts the work instead.

    profile: keep the record of every operation of every repetition.
    """
    each = case.n_computed

    def run(index: int, is_profiled: bool) -> Sample:
        return engine.run(
            case,
            profile=is_profiled,
            progress=lambda done: progress(index * each + done, (n_repetitions + 1) * each),
        )

    begin = time.time()
    work = _sum(run(0, True))
    return Row(case, [run(index, profile) for index in range(1, n_repetitions + 1)], *work, begin)


def work_of(engine: Engine, case: Case) -> tuple[int, int]:
    """(bytes, multiply-adds) of one repetition, from a run that warms the engine up, too."""
    return _sum(engine.run(case, profile=True, progress=lambda done: None))


def _sum(sample: Sample) -> tuple[int, int]:
    return sum(call.bytes for call in sample.calls), sum(call.macs for call in sample.calls)


def mean_and_deviation(values: list[float]) -> tuple[float, float]:
    """The mean and the deviation of a sample; the deviation of one value is 0."""
    return mean(values), stdev(values) if len(values) > 1 else 0.0


def percent(part: float, whole: float) -> float:
    """A share in percent."""
    return 100 * part / whole

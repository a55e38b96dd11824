"""Two engines on the same file, in turns (A B A B), so that what the machine does meanwhile befalls both."""

import time
from collections.abc import Sequence

from gptoss_gguf import _native
from gptoss_gguf.bench.cases import Case
from gptoss_gguf.bench.engine import GptossEngine, Sample
from gptoss_gguf.bench.measure import Progress, Rival, Row, work_of
from gptoss_gguf.bench.peers import Peer

_BESIDE = 3 << 30  # bytes that two engines need beside their weights


def fit_together(n_bytes: int) -> bool:
    """Whether two copies of a model of n_bytes fit in the memory that is free, before either is loaded."""
    free = _native.available_memory()
    return free is None or 2 * n_bytes + _BESIDE < free


class _Ours:
    """This package's engine; it keeps the model loaded until it rests."""

    def __init__(self, engine: GptossEngine, profile: bool) -> None:
        self._engine = engine
        self._profile = profile
        self._is_warm = False
        self.work: list[tuple[int, int]] = []  # (bytes, multiply-adds) of each case

    def turn(self, cases: Sequence[Case]) -> list[Sample]:
        if not self._is_warm:
            self.work = [work_of(self._engine, case) for case in cases]
            self._is_warm = True
        return [self._engine.run(case, profile=self._profile, progress=lambda done: None) for case in cases]

    def rest(self) -> None:
        self._engine.close()
        self._is_warm = False


def compare(
    engine: GptossEngine,
    peer: Peer,
    cases: Sequence[Case],
    n_rounds: int,
    *,
    stay: bool,
    profile: bool = False,
    progress: Progress,
) -> list[Row]:
    """The rows of our engine, each with the peer's times. In a round, each engine runs every case once.

    stay: both models may be in memory at the same time; else each turn begins with a load.
    """
    ours = _Ours(engine, profile)
    samples: list[list[Sample]] = []
    seconds: list[list[float]] = []
    begin = time.time()
    try:
        for number in range(n_rounds):
            progress(2 * number, 2 * n_rounds)
            samples.append(ours.turn(cases))
            if not stay:
                ours.rest()
            progress(2 * number + 1, 2 * n_rounds)
            seconds.append(peer.turn(cases))
            if not stay:
                peer.rest()
        progress(2 * n_rounds, 2 * n_rounds)
    finally:
        ours.rest()
        peer.rest()
    rows = []
    for case, work, mine, theirs in zip(
        cases, ours.work, zip(*samples, strict=True), zip(*seconds, strict=True), strict=True
    ):
        rival = Rival(peer.name, [case.n_tokens / each for each in theirs])
        rows.append(Row(case, list(mine), *work, begin, rival))
    return rows

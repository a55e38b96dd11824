"""Turns with another engine."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from gptoss_gguf.bench import versus
from gptoss_gguf.bench.cases import Case
from gptoss_gguf.bench.engine import GptossEngine
from gptoss_gguf.bench.setup import Setup
from gptoss_gguf.bench.versus import compare
from gptoss_gguf.cli import bench as command

from .conftest import Bench
from .test_command import cells


class Clockwork:
    """Takes a second for every token, and remembers."""

    name = "clockwork"

    def __init__(self) -> None:
        self.diary: list[str] = []

    def turn(self, cases: Sequence[Case]) -> list[float]:
        self.diary += [case.name for case in cases]
        return [float(case.n_tokens) for case in cases]

    def rest(self) -> None:
        self.diary.append("rest")


@pytest.mark.parametrize("stay", [True, False])
def test_turns(tiny: Path, stay: bool) -> None:
    todo = [Case(30, 0, 0), Case(0, 3, 5)]
    peer = Clockwork()
    turns: list[tuple[int, int]] = []
    with GptossEngine(tiny, Setup(n_threads=1), todo) as engine:
        rows = compare(
            engine, peer, todo, 2, stay=stay, progress=lambda done, total: turns.append((done, total))
        )
    turn = ["pp30", "tg3 @ d5"]
    assert peer.diary == ([*turn, *turn, "rest"] if stay else [*turn, "rest", *turn, "rest", "rest"])
    assert turns == [(number, 4) for number in range(5)]
    assert [row.case for row in rows] == todo
    for row in rows:
        assert row.rival is not None
        assert row.rival.tokens_per_second == [1.0, 1.0]
        assert row.ratios == row.tokens_per_second
        assert row.n_macs > 0


def test_the_command(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "make_peer", lambda name, path, n_threads, cases: Clockwork())
    args = ("-p", "8", "-n", "2", "--parallel", "1,3", "--vs", "clockwork")
    text = bench(*args)
    assert [row[5] for row in cells(text, "backend")] == ["pp8", "tg2", "tg2 x3"]
    rows = cells(text, "ratio")
    assert [row[0] for row in rows] == ["pp8", "tg2", "tg2 x3"]
    for row in rows:
        assert row[2] == "1.00 \u00b1 0.00"
        least, most = float(row[4]), float(row[5])
        assert least <= float(row[3]) <= most
        assert row[6] == "clockwork"
    for fields in json.loads(bench(*args, "-o", "json")):
        assert fields["vs"]["engine"] == "clockwork"
        assert fields["vs"]["ratios"] == fields["samples_ts"]
        assert min(fields["vs"]["ratios"]) <= fields["vs"]["median_ratio"]


def test_memory_decides_whether_both_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    assert versus.fit_together(1 << 20)
    assert not versus.fit_together(1 << 50)

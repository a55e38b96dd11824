"""Fixtures: the tiny synthetic model, a machine nobody has to measure, and the command in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gptoss_gguf.bench.cases import Case
from gptoss_gguf.bench.engine import GptossEngine
from gptoss_gguf.bench.load import Load
from gptoss_gguf.bench.machine import Machine
from gptoss_gguf.bench.setup import Setup
from gptoss_gguf.bench.synthetic import synthetic_model
from gptoss_gguf.cli import bench as command
from gptoss_gguf.cli.app import app
from gptoss_gguf.progress import Quiet

Bench = Callable[..., str]

MACHINE = Machine(
    cpu="Abacus",
    n_threads=1,
    bytes_per_second=1e9,
    peaks={
        ("scalar", "float32"): 2e9,
        ("scalar", "int8"): 3e9,
        ("beads", "int8"): 4e9,
        ("pearls", "bf16"): 5e9,
    },
    load=0.0,
)
LOADS = {"cold": Load(2.0, 1.0, 10_000, 50_000), "warm": Load(0.5, 0.25, None, 50_000)}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPTOSS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return synthetic_model("tiny", None, Quiet())


@pytest.fixture(scope="session")
def engine(tiny: Path) -> Iterator[GptossEngine]:
    with GptossEngine(tiny, Setup(n_threads=1), [Case(0, 1, 1000), Case(0, 20, 100, 3)]) as opened:
        yield opened


@pytest.fixture
def bench(tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Runs `gptoss bench` on the tiny model with these arguments; what it prints on stdout."""
    monkeypatch.setattr(command, "measure_machine", lambda n_threads: MACHINE)
    monkeypatch.setattr(command, "measure_loads", lambda path, setup: LOADS)

    def run(*args: str) -> str:
        app(
            ["bench", "-m", str(tiny), "-t", "1", "-r", "2", "--device", "reference", *args],
            standalone_mode=False,
        )
        return capsys.readouterr().out

    return run

"""Fixtures: an LLM over the scripted engine, and a tiny random model for the real one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gptoss_gguf import loading, session
from gptoss_gguf.convert import convert_checkpoint
from gptoss_gguf.convert.synthetic import TINY, write_synthetic_checkpoint
from gptoss_gguf.llm import LLM

from . import fake_native
from .vocabulary import small_ranks

OpenFake = Callable[..., LLM]


@pytest.fixture
def open_fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenFake]:
    """Opens an LLM over the scripted engine: open_fake(script, capacity=..., **options of LLM)."""
    model = tmp_path / "fake.gguf"
    model.touch()
    opened: list[LLM] = []
    for module in (session, loading):
        monkeypatch.setattr(module, "_native", fake_native)

    def open_model(
        script: fake_native.Script = fake_native.echo, *, capacity: int = 1000, **options: object
    ) -> LLM:
        monkeypatch.setattr(fake_native.Engine, "script", staticmethod(script))
        monkeypatch.setattr(fake_native.Engine, "capacity", capacity)
        opened.append(LLM(str(model), **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_model
    for llm in opened:
        llm.close()


def fake_engine(llm: LLM) -> fake_native.Engine:
    engine = llm._session.engine
    assert isinstance(engine, fake_native.Engine)
    return engine


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_synthetic_checkpoint(folder, replace(TINY, vocab_size=None), vocab=list(small_ranks()))
    return folder


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> str:
    path = checkpoint.with_suffix(".gguf")
    convert_checkpoint(checkpoint, path)
    return str(path)


@pytest.fixture(scope="session")
def llm(model: str) -> Iterator[LLM]:
    with LLM(model, n_ctx=2048) as opened:
        yield opened

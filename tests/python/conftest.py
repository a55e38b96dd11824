"""Fixtures of the tests that need no engine."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gptoss_gguf import session
from gptoss_gguf.llm import LLM

from . import fake_native

OpenFake = Callable[..., LLM]


@pytest.fixture
def open_fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenFake]:
    """Opens an LLM over the scripted engine: open_fake(script, capacity=..., **options of LLM)."""
    model = tmp_path / "fake.gguf"
    model.touch()
    opened: list[LLM] = []
    monkeypatch.setattr(session, "_native", fake_native)

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

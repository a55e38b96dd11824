"""Loads in processes of their own."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from gptoss_gguf import loading
from gptoss_gguf.bench import load
from gptoss_gguf.bench.load import drop_from_cache, load_here, main, measure_loads
from gptoss_gguf.bench.setup import Setup
from gptoss_gguf.errors import GptossError

_SETUP = Setup(n_threads=1)


def test_a_cold_and_a_warm_load(tiny: Path) -> None:
    loads = measure_loads(tiny, _SETUP)
    assert list(loads) == ["cold", "warm"]
    for each in loads.values():
        assert each.ready_seconds > 0
        assert each.token_seconds > 0
        assert each.peak_rss > tiny.stat().st_size


def test_the_first_load_prepares_weights(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTOSS_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(load, "_load_elsewhere", load_here)
    monkeypatch.setattr(loading, "_KEPT_FROM", 0)
    assert list(measure_loads(tiny, _SETUP)) == ["first", "cold", "warm"]
    loads = measure_loads(tiny, _SETUP)
    assert list(loads) == ["cold", "warm"]
    assert Path(loads["warm"].weights_file).is_relative_to(tmp_path)
    assert list(measure_loads(tiny, replace(_SETUP, weights_cache=False))) == ["cold", "warm"]


def test_dropping_pages_keeps_the_file(tiny: Path) -> None:
    before = tiny.read_bytes()
    drop_from_cache(tiny)
    assert tiny.read_bytes() == before


def test_the_process_prints_what_it_measured(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tiny), json.dumps({"device": "reference", "n_threads": 1})]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == {"ready_seconds", "token_seconds", "read_bytes", "peak_rss", "weights_file"}
    assert load_here(tiny, _SETUP).peak_rss >= printed["peak_rss"]


def test_what_is_wrong_is_said_as_it_is(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(GptossError, match=r"^device 'abacus' is not available here"):
        measure_loads(tiny, Setup("abacus"))
    (tmp_path / "bad.gguf").write_bytes(b"no model")
    with pytest.raises(GptossError, match=r"bad\.gguf"):
        measure_loads(tmp_path / "bad.gguf", _SETUP)

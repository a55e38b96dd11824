"""Prepared weights that wait for the next start, and progress of loads."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gptoss_gguf import LLM, _native, loading
from gptoss_gguf.convert import convert_checkpoint
from gptoss_gguf.progress import Log

IDS = [5, 6, 7] * 30


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, in which weights of small models are kept, too."""
    monkeypatch.setenv("GPTOSS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(loading, "_KEPT_FROM", 0)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def gguf(checkpoint: Path, tmp_path: Path) -> Path:
    path = tmp_path / "a model.gguf"
    convert_checkpoint(checkpoint, path)
    return path


def logits(path: Path, **options: object) -> np.ndarray:
    with LLM(path, device="cpu", **options) as llm:  # type: ignore[arg-type]
        return llm.logits(IDS)


def state(cache: Path) -> Iterator[tuple[str, int]]:
    return ((path.name, path.stat().st_ino) for path in cache.iterdir())


def test_the_second_start_maps_what_the_first_one_kept(gguf: Path, cache: Path) -> None:
    first = logits(gguf)
    kept = dict(state(cache))
    assert len(kept) == 1
    second = logits(gguf)
    assert dict(state(cache)) == kept
    assert (first == second).all()
    assert (first == logits(gguf, weights_cache=False)).all()


def test_kept_weights_are_what_is_computed_with(gguf: Path, cache: Path) -> None:
    """Zeros in the file give other logits: nobody packs again."""
    first = logits(gguf)
    [kept] = cache.iterdir()
    size = kept.stat().st_size
    with kept.open("r+b") as file:
        file.seek(2 << 20)
        file.write(bytes(size - (2 << 20)))
    assert (logits(gguf) != first).any()


def test_nothing_is_kept_unless_asked(gguf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logits(gguf, weights_cache=False)
    assert not cache.exists()
    monkeypatch.setattr(loading, "_KEPT_FROM", 1 << 40)
    logits(gguf)
    assert not cache.exists()


def test_a_changed_model_replaces_its_weights(gguf: Path, cache: Path) -> None:
    logits(gguf)
    before = dict(state(cache))
    os.utime(gguf, ns=(1, 1))
    logits(gguf)
    after = dict(state(cache))
    assert after.keys() == before.keys()
    assert after != before


def test_weights_of_lost_models_go(gguf: Path, cache: Path, checkpoint: Path) -> None:
    logits(gguf)
    (cache / "strange.packed").write_bytes(b"not ours\n\xff\n")
    (cache / "notes.txt").write_text("source 1 1 /nowhere")
    [kept] = cache.glob("a model-*")
    other = gguf.with_name("other.gguf")
    convert_checkpoint(checkpoint, other)
    gguf.unlink()
    logits(other)
    assert not kept.exists()
    assert (cache / "strange.packed").exists()
    assert (cache / "notes.txt").exists()
    assert len(list(cache.glob("other-*.packed"))) == 1


def test_weights_of_a_model_on_a_disk_that_is_away_stay(gguf: Path, cache: Path, checkpoint: Path) -> None:
    logits(gguf)
    [kept] = cache.iterdir()
    other = cache.parent / "other.gguf"
    convert_checkpoint(checkpoint, other)
    gguf.parent.joinpath("disk").mkdir()
    away = gguf.parent / "disk" / "model.gguf"
    gguf.rename(away)
    logits(away)
    assert not kept.exists()
    [kept] = cache.iterdir()
    away.unlink()
    away.parent.rmdir()
    logits(other)
    assert kept.exists()


def test_a_model_by_an_odd_path(gguf: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "deep")
    gguf.rename(tmp_path / "far" / "x\udcff.gguf")
    odd = tmp_path / "link" / ".." / "x\udcff.gguf"
    first = logits(odd)
    kept = dict(state(cache))
    assert len(kept) == 1
    assert (logits(odd) == first).all()
    assert dict(state(cache)) == kept
    assert Path(loading.open_engine(odd, device="cpu").weights_file).name in kept


def test_a_cache_that_cannot_be_written_is_no_error(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(loading, "_KEPT_FROM", 0)
    expected = logits(gguf, weights_cache=False)
    monkeypatch.setenv("GPTOSS_CACHE_DIR", str(tmp_path / "file"))
    assert (logits(gguf) == expected).all()


def test_the_file_is_named(gguf: Path, cache: Path) -> None:
    engine = loading.open_engine(gguf, device="cpu")
    assert Path(engine.weights_file).parent == cache
    assert loading.open_engine(gguf, device="reference").weights_file == ""
    assert loading.open_engine(gguf, device="cpu", weights_cache=False).weights_file == ""


def test_progress_is_told(gguf: Path) -> None:
    seen: list[tuple[int, int]] = []
    options = _native.EngineOptions(device="cpu")
    _native.Engine(str(gguf), options, lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert len({total for _, total in seen}) == 1
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1] > 0
    assert len(seen) > 20


def test_loading_can_be_given_up(gguf: Path, cache: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    options = _native.EngineOptions(device="cpu", keep_in=str(cache))
    with pytest.raises(KeyboardInterrupt):
        _native.Engine(str(gguf), options, stop)
    assert list(cache.iterdir()) == []


def test_only_long_loads_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with loading._late_task(Log(), "loading x") as progress:
        for second in range(13):
            progress(second * 100, 1200)
            now[0] += 1
    assert capsys.readouterr().err.splitlines() == ["loading x: 1.1 kB of 1.2 kB, 100 bytes/s, 1 s left"]
    with loading._late_task(Log(), "loading y") as progress:
        progress(0, 10)
        progress(10, 10)
    assert capsys.readouterr().err == ""

"""Random models in the cache."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
import pytest
from gptoss_gguf import _native
from gptoss_gguf.bench.model import describe_model
from gptoss_gguf.bench.synthetic import synthetic_model
from gptoss_gguf.convert import convert_checkpoint
from gptoss_gguf.convert.synthetic import PRESETS, TINY, write_synthetic_checkpoint
from gptoss_gguf.convert.synthetic_gguf import SyntheticModel
from gptoss_gguf.convert.synthetic_vocab import byte_vocabulary, read_tokenizer_json, tokenizer_json
from gptoss_gguf.errors import ModelFileError, RequestError
from gptoss_gguf.progress import Quiet, Update


class Notes(Quiet):
    """Remembers what was said; interrupts the work once `stop_at` bytes are done."""

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.texts: list[str] = []
        self.done: list[int] = []
        self._stop_at = stop_at

    def note(self, text: str) -> None:
        self.texts.append(text)

    @contextmanager
    def task(self, label: str, total: int) -> Generator[Update]:
        def update(done: int) -> None:
            self.done.append(done)
            if done >= self._stop_at:
                raise KeyboardInterrupt

        yield update
        assert self.done[-1] == total


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GPTOSS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_is_the_conversion_of_its_checkpoint(tmp_path: Path) -> None:
    write_synthetic_checkpoint(tmp_path / "same", TINY)
    convert_checkpoint(tmp_path / "same", tmp_path / "converted.gguf")
    model = SyntheticModel("same", TINY)
    model.write(tmp_path / "direct.gguf")
    assert (tmp_path / "direct.gguf").read_bytes() == (tmp_path / "converted.gguf").read_bytes()
    assert (tmp_path / "direct.gguf").stat().st_size == model.n_bytes


def test_made_once_and_the_need_of_disk_is_said_first(cache: Path) -> None:
    notes = Notes()
    path = synthetic_model("tiny", None, notes)
    assert path.parent == cache / "synthetic"
    [text] = notes.texts
    assert f"making {path} once: needs " in text
    assert "of disk (" in text
    again = Notes()
    assert synthetic_model("tiny", None, again) == path
    assert again.texts == again.done == []


def test_layers_make_another_file() -> None:
    small, whole = synthetic_model("tiny", 2, Quiet()), synthetic_model("tiny", None, Quiet())
    assert small != whole
    counts = [_native.ModelFile(str(path)).metadata["gpt-oss.block_count"] for path in (small, whole)]
    assert counts == [2, 4]


def test_an_interruption_leaves_nothing(cache: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        synthetic_model("tiny", None, Notes(stop_at=100_000))
    assert list((cache / "synthetic").iterdir()) == []
    assert synthetic_model("tiny", None, Quiet()).is_file()


def test_wrong_arguments_and_folders(cache: Path) -> None:
    with pytest.raises(RequestError, match="--synthetic 7b: choose one of tiny, 20b, 120b"):
        synthetic_model("7b", None, Quiet())
    with pytest.raises(RequestError, match="--layers 0"):
        synthetic_model("tiny", 0, Quiet())
    cache.write_text("in the way")
    with pytest.raises(ModelFileError, match="GPTOSS_CACHE_DIR sets the folder"):
        synthetic_model("tiny", None, Quiet())


@pytest.mark.slow
def test_real_shapes_have_real_sizes() -> None:
    """Without writing them: the file of the whole 20b takes 11.27 GiB."""
    assert SyntheticModel("x", PRESETS["20b"]).n_bytes == pytest.approx(11.27 * 2**30, rel=0.001)


def test_the_real_vocabulary_is_used_where_it_is_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranks = [*byte_vocabulary(), b"ab", b" the"]
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(json.dumps(tokenizer_json(ranks, 320)), encoding="utf-8")
    assert read_tokenizer_json(tokenizer) == ranks
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, file: str(tokenizer))
    monkeypatch.setitem(PRESETS, "20b", TINY)
    path = synthetic_model("20b", None, Quiet())
    assert "o200k" in path.name
    tokens = _native.ModelFile(str(path)).metadata["tokenizer.ggml.tokens"]
    assert tokens[256:258] == ["ab", "\u0120the"]


def test_what_a_report_says_about_it(tiny: Path) -> None:
    model = describe_model(tiny)
    assert model.kind == "gpt-oss 8x391K MXFP4 Q8_0"
    assert model.n_bytes < tiny.stat().st_size
    assert model.n_params == pytest.approx(735_000, rel=0.05)

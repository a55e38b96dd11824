"""What a model name means, and the conversion cache."""

from pathlib import Path

import pytest
from gptoss_gguf.convert.synthetic import write_synthetic_checkpoint
from gptoss_gguf.errors import GptossError, ModelFileError
from gptoss_gguf.models import resolve_model
from gptoss_gguf.models.cache import cache_dir
from gptoss_gguf.models.choose import label
from gptoss_gguf.models.names import Checkpoint, GgufFile, HubModel, parse_name


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("gpt-oss-20b", HubModel("ggml-org/gpt-oss-20b-GGUF")),
        ("gpt-oss-120b", HubModel("ggml-org/gpt-oss-120b-GGUF")),
        ("gpt-oss-20b:Q8_0", HubModel("ggml-org/gpt-oss-20b-GGUF", quant="Q8_0")),
        ("org/repo", HubModel("org/repo")),
        ("org/repo:Q4_K_M", HubModel("org/repo", quant="Q4_K_M")),
        ("org/repo.v1/sub/file.gguf", HubModel("org/repo.v1", file="sub/file.gguf")),
        ("hf://org/repo", HubModel("org/repo")),
        ("hf://org/repo@abc1", HubModel("org/repo", revision="abc1")),
        ("hf://org/repo@v1/a/b.gguf", HubModel("org/repo", revision="v1", file="a/b.gguf")),
        ("org/repo@v1:Q8_0", HubModel("org/repo", revision="v1", quant="Q8_0")),
    ],
)
def test_hub_names(name: str, meaning: HubModel) -> None:
    assert parse_name(name) == meaning
    assert parse_name(f"hf://{meaning}") == meaning


@pytest.mark.parametrize(
    "name",
    ["", "nothing", "missing.gguf", "./org/repo", "/org/repo", "~/x/y", "a/b/c", "a/b:", "a/b@", "hf://x",
     "a/../b", "a b/c", "a/b:Q8/x.gguf", "gpt-oss-21b"],
)  # fmt: skip
def test_no_names(name: str) -> None:
    with pytest.raises(GptossError, match="a \\.gguf file, a checkpoint folder"):
        parse_name(name)


def test_a_path_is_no_hub_name(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="org/repo: no such file or folder"):
        parse_name(Path("org/repo"))
    (tmp_path / "m.gguf").touch()
    assert parse_name(Path("m.gguf")) == GgufFile(Path("m.gguf"))


def test_what_is_here_comes_first(tmp_path: Path) -> None:
    checkpoint = tmp_path / "gpt-oss-20b"
    checkpoint.mkdir()
    (checkpoint / "config.json").touch()
    assert parse_name("gpt-oss-20b") == Checkpoint(Path("gpt-oss-20b"))
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "repo").touch()
    assert parse_name("org/repo") == GgufFile(Path("org/repo"))
    assert parse_name("hf://org/repo") == HubModel("org/repo")


def test_folder_of_ggufs(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    with pytest.raises(ModelFileError, match="neither a checkpoint folder"):
        parse_name(str(folder))
    for i in (1, 2):
        (folder / f"m-0000{i}-of-00002.gguf").touch()
    assert parse_name(str(folder)) == GgufFile(folder / "m-00001-of-00002.gguf")
    (folder / "other.gguf").touch()
    with pytest.raises(ModelFileError, match=r"holds 2 models; name one: m-00001-of-00002.gguf, other.gguf"):
        parse_name(str(folder))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("gpt-oss-120b-mxfp4-00001-of-00003.gguf", "MXFP4"),
        ("x/gpt-oss-20b-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("gpt-oss-20b.Q5_K_M.gguf", "Q5_K_M"),
        ("gpt-oss-20b-MXFP4_MOE.gguf", "MXFP4_MOE"),
        ("gpt-oss-20b-IQ4_NL.gguf", "IQ4_NL"),
        ("gpt-oss-20b-BF16.gguf", "BF16"),
        ("model.gguf", ""),
    ],
)
def test_labels(file: str, expected: str) -> None:
    assert label(file) == expected


def test_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTOSS_CACHE_DIR", str(tmp_path / "c"))
    assert cache_dir() == tmp_path / "c"
    monkeypatch.delenv("GPTOSS_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_dir() == tmp_path / "x" / "gptoss"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_dir() == Path.home() / "Library" / "Caches" / "gptoss"


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GPTOSS_CACHE_DIR", str(tmp_path / "cache"))
    write_synthetic_checkpoint(tmp_path / "my-model")
    return tmp_path / "my-model"


def test_checkpoint_is_converted_once(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = resolve_model(str(checkpoint))
    assert path.parent == checkpoint.parent / "cache" / "converted"
    assert path.name.startswith("my-model-")
    assert path.read_bytes()[:4] == b"GGUF"
    assert "needs 624 kB of disk (" in capsys.readouterr().err
    before = path.stat().st_mtime_ns
    assert resolve_model(str(checkpoint), quiet=True) == path
    assert path.stat().st_mtime_ns == before
    assert capsys.readouterr().err == ""


def test_changed_checkpoint_is_converted_again(checkpoint: Path) -> None:
    old = resolve_model(str(checkpoint), quiet=True)
    write_synthetic_checkpoint(checkpoint, seed=1)
    new = resolve_model(str(checkpoint), quiet=True)
    assert new != old
    assert list(old.parent.iterdir()) == [new]


def test_broken_checkpoint(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").unlink()
    with pytest.raises(ModelFileError, match=r"tokenizer\.json"):
        resolve_model(str(checkpoint), quiet=True)
    assert not list(checkpoint.parent.rglob("*.gguf*"))


def test_cache_that_cannot_be_made(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkpoint.parent / "file").touch()
    monkeypatch.setenv("GPTOSS_CACHE_DIR", str(checkpoint.parent / "file"))
    with pytest.raises(ModelFileError, match="GPTOSS_CACHE_DIR sets the folder"):
        resolve_model(str(checkpoint), quiet=True)

"""What a model name can be: a file, a checkpoint folder, a repository on the Hugging Face hub."""

import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from gptoss_gguf.errors import ModelFileError, RequestError

ALIASES = {
    "gpt-oss-20b": "ggml-org/gpt-oss-20b-GGUF",
    "gpt-oss-120b": "ggml-org/gpt-oss-120b-GGUF",
}
DEMO = "gpt-oss-demo"  # the small model inside the package
_DEMO_FILE = Path(__file__).parent / "gpt-oss-demo.gguf"
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REPO = re.compile(
    rf"(?P<repo>{_PART}/{_PART})(?:@(?P<revision>[^/:@][^:@]*?))?(?:/(?P<file>[^:@]+\.gguf)|:(?P<quant>[\w.-]+))?"
)
_FORMS = (
    "a .gguf file, a checkpoint folder, org/repo[:QUANT], org/repo/file.gguf, "
    f"hf://org/repo[@revision][/file.gguf], or one of {', '.join([*ALIASES, DEMO])}"
)


@dataclass(frozen=True)
class GgufFile:
    """A file on this machine (of a split model: the first part)."""

    path: Path


@dataclass(frozen=True)
class Checkpoint:
    """A Hugging Face checkpoint folder on this machine."""

    path: Path


@dataclass(frozen=True)
class HubModel:
    """A repository of the hub, and what in it."""

    repo: str
    revision: str | None = None
    file: str | None = None  # path inside the repository
    quant: str | None = None  # label such as Q8_0

    def __str__(self) -> str:
        parts = (("@", self.revision), ("/", self.file), (":", self.quant))
        return self.repo + "".join(f"{mark}{value}" for mark, value in parts if value)


def parse_name(name: str | PathLike[str]) -> GgufFile | Checkpoint | HubModel:
    """Reads a model name; what exists on this machine comes first. A Path is never a name on the hub.

    Raises RequestError, ModelFileError.
    """
    if isinstance(name, PathLike):
        if not Path(name).exists():
            raise ModelFileError(f"{name}: no such file or folder")
        name = str(name)
    if not isinstance(name, str) or not name:
        raise RequestError(f"model={name!r} is not allowed: it must be {_FORMS}")
    if name.startswith("hf://"):
        return _hub_model(name, name.removeprefix("hf://"))
    path = Path(name).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.exists():
        return GgufFile(path)
    alias, _, quant = name.partition(":")
    if alias in ALIASES:
        return HubModel(ALIASES[alias], quant=quant or None)
    if name == DEMO:
        return GgufFile(_DEMO_FILE)
    if name.startswith(("/", ".", "~")) or name.count("/") == 0:
        missing = "no such file or folder" if "/" in name or name.endswith(".gguf") else "unknown model"
        raise ModelFileError(f"{name}: {missing}; a model is {_FORMS}")
    return _hub_model(name, name)


def _hub_model(name: str, rest: str) -> HubModel:
    match = _REPO.fullmatch(rest)
    if match is None or ".." in rest:
        raise RequestError(f"{name}: not a model name; a model is {_FORMS}")
    return HubModel(**match.groupdict())


def _folder(path: Path) -> GgufFile | Checkpoint:
    if (path / "config.json").exists():
        return Checkpoint(path)
    ggufs = sorted(path.glob("*.gguf"))
    firsts = [p for p in ggufs if not re.search(r"-\d{5}-of-\d{5}\.gguf$", p.name) or "-00001-of-" in p.name]
    if len(firsts) == 1:
        return GgufFile(firsts[0])
    if firsts:
        raise ModelFileError(
            f"{path}: holds {len(firsts)} models; name one: {', '.join(p.name for p in firsts)}"
        )
    raise ModelFileError(
        f"{path}: neither a checkpoint folder (no config.json) nor a folder with a .gguf file"
    )

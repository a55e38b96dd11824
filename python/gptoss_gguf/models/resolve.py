"""The one way from a model name to a GGUF file."""

from os import PathLike
from pathlib import Path

from gptoss_gguf.errors import ModelFileError
from gptoss_gguf.models.converted import converted
from gptoss_gguf.models.names import Checkpoint, GgufFile, HubModel, parse_name
from gptoss_gguf.progress import Reporter, reporter


def resolve_model(name: str | PathLike[str] | None, *, quiet: bool = False) -> Path:
    """Path of the GGUF file (the first part of a split one); downloads and converts where needed.

    Raises ModelFileError or RequestError with what is wrong and what to do.
    """
    if name is None:
        raise ModelFileError("no model given: pass a path or a name, such as gpt-oss-20b (-m in gptoss run)")
    return _resolve(parse_name(name), reporter(quiet=quiet))


def _resolve(model: GgufFile | Checkpoint | HubModel, report: Reporter) -> Path:
    if isinstance(model, GgufFile):
        return model.path
    if isinstance(model, Checkpoint):
        return converted(model.path, report)
    from gptoss_gguf.models.hub import fetch

    paths = fetch(model, report)
    return paths[0] if paths[0].suffix == ".gguf" else converted(paths[0].parent, report)

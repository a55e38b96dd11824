"""Which files of a repository make the model."""

import re
from collections.abc import Iterable

from gptoss_gguf.errors import ModelFileError
from gptoss_gguf.models.names import HubModel

# What to take where no label is given: gpt-oss is trained in MXFP4, and Q8_0 loses nothing that shows.
_PREFERRED = ("MXFP4", "MXFP4_MOE", "Q8_0")
_LABEL = re.compile(
    r"(?:^|[-_.])((?:UD-)?(?:MXFP4(?:_MOE)?|I?Q\d(?:_[A-Z0-9]+)*|BF16|F16|F32))(?=[-.]|$)", re.I
)
_PART = re.compile(r"-(\d{5})-of-(\d{5})$")
_CHECKPOINT = re.compile(r"[^/]+\.safetensors|[^/]+\.json|[^/]+\.jinja")


def choose_gguf(model: HubModel, files: Iterable[str]) -> list[str]:
    """The GGUF file that `model` names, all parts of it in order; empty where there is no GGUF file at all.

    Raises ModelFileError naming the choices where the name fits none or several, or parts are missing.
    """
    models = _group(f for f in files if f.endswith(".gguf"))
    if model.file is not None:
        return _complete(model, [f for f in models if model.file in models[f] or model.file == f], models)
    if not models:
        return []
    if model.quant is not None:
        wanted = model.quant.upper()
        fits = [f for f in models if label(f) == wanted] or [
            f for f in models if label(f) in (f"UD-{wanted}", f"{wanted}_MOE")
        ]
        return _complete(model, fits, models)
    for preferred in _PREFERRED:
        fits = [f for f in models if label(f) == preferred]
        if fits:
            return _complete(model, fits, models)
    return _complete(model, list(models), models)


def choose_checkpoint(model: HubModel, files: Iterable[str]) -> list[str]:
    """The files of an original checkpoint, which lie at the top; empty where there are no weights."""
    chosen = sorted(f for f in files if _CHECKPOINT.fullmatch(f))
    shards = [f for f in chosen if f.endswith(".safetensors")]
    if not shards or "config.json" not in chosen:
        return []
    number = _PART.search(shards[0].removesuffix(".safetensors"))
    if number is not None and len(shards) != int(number[2]):
        raise ModelFileError(f"{model}: the checkpoint has {int(number[2])} parts, {len(shards)} are there")
    return chosen


def label(file: str) -> str:
    """The quantisation label of a file name, in capitals; "" if it has none."""
    stem = _PART.sub("", file.rpartition("/")[2].removesuffix(".gguf"))
    found = _LABEL.findall(stem)
    return str(found[-1]).upper() if found else ""


def _group(files: Iterable[str]) -> dict[str, list[str]]:
    """Name without the part number -> its parts, in order."""
    models: dict[str, list[str]] = {}
    for file in sorted(files):
        models.setdefault(_PART.sub("", file.removesuffix(".gguf")) + ".gguf", []).append(file)
    return models


def _complete(model: HubModel, fits: list[str], models: dict[str, list[str]]) -> list[str]:
    if len(fits) != 1:
        found = "holds no GGUF file of this name" if not fits else f"{len(fits)} files fit"
        choices = ", ".join(_choice(model, f, models) for f in (fits or models)) or "none"
        raise ModelFileError(f"{model}: {found}; choose one of: {choices}")
    parts = models[fits[0]]
    number = _PART.search(parts[0].removesuffix(".gguf"))
    if number is not None and len(parts) != int(number[2]):
        raise ModelFileError(
            f"{model}: {fits[0]} has {int(number[2])} parts, of which only {len(parts)} are there"
        )
    return parts


def _choice(model: HubModel, file: str, models: dict[str, list[str]]) -> str:
    """The shortest name that means this file."""
    unique = label(file) and sum(label(f) == label(file) for f in models) == 1
    return f"{model.repo}:{label(file)}" if unique else f"{model.repo}/{models[file][0]}"

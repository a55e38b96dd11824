"""Models with random weights and real shapes, made once and kept in the cache."""

import shutil
from dataclasses import replace
from pathlib import Path

from gptoss_gguf.convert import ConvertError
from gptoss_gguf.convert.synthetic import PRESETS
from gptoss_gguf.convert.synthetic_gguf import SyntheticModel
from gptoss_gguf.convert.synthetic_vocab import read_tokenizer_json
from gptoss_gguf.errors import ModelFileError, RequestError
from gptoss_gguf.models.cache import cache_dir
from gptoss_gguf.progress import Reporter, size_text

_RELEASED = ("openai/gpt-oss-20b", "openai/gpt-oss-120b")
# Changes when the same arguments make other bytes.
_VERSION = 1


def synthetic_model(preset: str, n_layers: int | None, report: Reporter) -> Path:
    """The GGUF file of a random model; made now if the cache has none.

    preset: "20b", "120b" or "tiny". n_layers: None = as the preset has.
    Raises RequestError for an unknown preset, ModelFileError where the file cannot be written.
    """
    if preset not in PRESETS:
        raise RequestError(f"--synthetic {preset}: choose one of {', '.join(PRESETS)}")
    if n_layers is not None and n_layers < 1:
        raise RequestError(f"--layers {n_layers}: a model has at least one")
    shape = PRESETS[preset] if n_layers is None else replace(PRESETS[preset], n_layers=n_layers)
    tokenizer = None if preset == "tiny" else _tokenizer_at_hand()
    words = "o200k" if tokenizer else "bytes"
    name = f"gpt-oss-{preset}-random-{shape.n_layers}-layers"
    folder = cache_dir() / "synthetic"
    target = folder / f"{name}-{words}-v{_VERSION}.gguf"
    if target.exists():
        return target
    try:
        model = SyntheticModel(name, shape, vocab=read_tokenizer_json(tokenizer) if tokenizer else None)
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        report.note(
            f"making {target} once: needs {size_text(model.n_bytes)} of disk ({size_text(free)} free)"
        )
        with report.task(name, model.n_bytes) as update:
            model.write(target, progress=lambda done, _: update(done))
    except ConvertError as error:
        raise ModelFileError(f"{error} (GPTOSS_CACHE_DIR sets the folder)") from error
    except OSError as error:
        raise ModelFileError(
            f"{error.filename or folder}: {error.strerror} (GPTOSS_CACHE_DIR sets the folder)"
        ) from error
    return target


def _tokenizer_at_hand() -> Path | None:
    """tokenizer.json of a released model, if the hub's cache holds one; nothing is downloaded."""
    from huggingface_hub import try_to_load_from_cache

    for repo in _RELEASED:
        found = try_to_load_from_cache(repo, "tokenizer.json")
        if isinstance(found, str):
            return Path(found)
    return None

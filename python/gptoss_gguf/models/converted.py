"""Checkpoint folders, converted once into the cache."""

import hashlib
import shutil
from pathlib import Path

from gptoss_gguf.errors import ModelFileError
from gptoss_gguf.models.cache import cache_dir
from gptoss_gguf.progress import Reporter, size_text


def converted(source: Path, reporter: Reporter) -> Path:
    """The GGUF file of a checkpoint folder, made now if the cache has none for the folder's present state."""
    from gptoss_gguf.convert import ConvertError, convert_checkpoint, plan_conversion

    folder = cache_dir() / "converted"
    prefix = f"{source.resolve().name}-{_digest(str(source.resolve()))[:8]}-"
    target = folder / f"{prefix}{_fingerprint(source)[:16]}.gguf"
    if target.exists():
        return target
    try:
        plan = plan_conversion(source)
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        reporter.note(
            f"converting {source} once into {folder}: needs {size_text(plan.n_bytes)} of disk "
            f"({size_text(free)} free)"
        )
        with reporter.task(f"converting {source.name}", plan.n_bytes) as update:
            convert_checkpoint(source, target, progress=lambda done, _: update(done), overwrite=True)
    except ConvertError as error:
        raise ModelFileError(str(error)) from error
    except OSError as error:
        raise ModelFileError(
            f"{error.filename or folder}: {error.strerror} (GPTOSS_CACHE_DIR sets the folder)"
        ) from error
    for stale in folder.glob(f"{prefix}*.gguf"):
        if stale != target:
            stale.unlink(missing_ok=True)
    return target


def _fingerprint(source: Path) -> str:
    """Changes with the name, size or modification time of any file that a conversion reads."""
    stats = [
        (p.name, p.stat())
        for p in sorted(source.iterdir())
        if p.suffix in (".json", ".safetensors", ".jinja")
    ]
    return _digest(repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

"""Opens models: prepared weights wait for the next start, and a load that takes long shows how far it is."""

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from gptoss_gguf import _native
from gptoss_gguf.models.cache import cache_dir
from gptoss_gguf.progress import Reporter, Update, reporter

# Smaller models are ready in no time.
_KEPT_FROM = 256 << 20
_SHOWN_AFTER = 0.5  # seconds
_SUFFIX = ".packed"  # of files that the engine keeps


def open_engine(
    path: Path,
    *,
    device: str = "auto",
    compute: str = "auto",
    n_ctx: int = 0,
    n_threads: int = 0,
    n_batch: int = 512,
    max_sequences: int = 8,
    max_queue: int = 256,
    profile: bool = False,
    prefix_cache: bool = True,
    prefix_folder: str = "",
    prefix_disk_bytes: int = 0,
    speculation: bool = True,
    weights_cache: bool = True,
    quiet: bool = False,
) -> "_native.Engine":
    """Loads a model; arguments are those of EngineOptions and LLM. Raises what they raise."""
    options = _native.EngineOptions(
        device=device,
        compute=compute,
        n_ctx=n_ctx,
        n_threads=n_threads,
        n_batch=n_batch,
        max_sequences=max_sequences,
        max_queue=max_queue,
        profile=profile,
        prefix_cache=prefix_cache,
        prefix_folder=prefix_folder,
        prefix_disk_bytes=prefix_disk_bytes,
        speculation=speculation,
        keep_in=weights_folder(path) if weights_cache else "",
    )
    with _late_task(reporter(quiet=quiet), f"loading {path.name}") as progress:
        return _native.Engine(str(path), options, progress)


def weights_folder(path: Path) -> str:
    """Where the prepared weights of a model are kept; "" for a small one. Weights of deleted models go."""
    n_bytes = sum(Path(part).stat().st_size for part in _native.ModelFile(str(path)).paths)
    if n_bytes < _KEPT_FROM:
        return ""
    folder = cache_dir() / "weights"
    with suppress(OSError):
        for kept in folder.glob(f"*{_SUFFIX}"):
            # A folder that is missing may be on a disk that comes back.
            if any(source.parent.is_dir() and not source.exists() for source in _sources(kept)):
                kept.unlink()
    return str(folder)


def _sources(kept: Path) -> list[Path]:
    """The model files that prepared weights were made from; what is no such file has none."""
    with kept.open("rb") as file:
        lines = file.read(1 << 16).split(b"\n")
    rows = [line.split(b" ", 3) for line in lines if line.startswith(b"source ")]
    return [Path(row[3].decode(errors="surrogateescape")) for row in rows if len(row) == 4]


@contextmanager
def _late_task(report: Reporter, label: str) -> Generator[Callable[[int, int], None]]:
    """Gives a function that takes bytes done and in all; they are shown if this takes long."""
    begin = time.monotonic()
    update: Update | None = None
    with ExitStack() as stack:

        def progress(done: int, total: int) -> None:
            nonlocal update
            if update is None and time.monotonic() - begin > _SHOWN_AFTER:
                update = stack.enter_context(report.task(label, total))
            if update is not None:
                update(done)

        yield progress

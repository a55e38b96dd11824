"""Files of Hugging Face repositories: from the local cache, or downloaded into it."""

import re
from functools import partial
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.file_download import repo_folder_name

from gptoss_gguf.errors import ModelFileError
from gptoss_gguf.models.choose import choose_checkpoint, choose_gguf
from gptoss_gguf.models.download import Blob, check_space
from gptoss_gguf.models.hub_errors import explain, is_unreachable
from gptoss_gguf.models.names import HubModel
from gptoss_gguf.progress import Reporter

_LARGE = 16 << 20  # bytes; from here on a file is downloaded so that it can be resumed


def fetch(model: HubModel, report: Reporter) -> list[Path]:
    """Local paths of the model's files: the parts of a GGUF in order, or those of a checkpoint.

    They lie in the cache of huggingface_hub, shared with every other program that uses it. Where the hub
    cannot be reached, or HF_HUB_OFFLINE=1 forbids to, a model that the cache holds completely is used.
    Raises ModelFileError.
    """
    if constants.HF_HUB_OFFLINE:
        return cached(model, "HF_HUB_OFFLINE forbids to download it")
    try:
        return _fetch_online(model, report)
    except ModelFileError:
        raise
    except Exception as error:  # the hub's client lets the errors of several libraries through
        if not is_unreachable(error):
            raise explain(model, error) from error
        paths = cached(model, str(explain(model, error)))
        report.note(f"{model}: the hub cannot be reached; using the copy in the cache")
        return paths


def _fetch_online(model: HubModel, report: Reporter) -> list[Path]:
    info = HfApi().model_info(model.repo, revision=model.revision, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    chosen = _choose(model, list(sizes))
    found = {file: try_to_load_from_cache(model.repo, file, revision=info.sha) for file in chosen}
    paths = {file: Path(path) for file, path in found.items() if isinstance(path, str)}
    missing = {file: sizes[file] for file in chosen if file not in paths}
    if missing:
        paths |= _download(model, info.sha, missing, report)
    return [paths[file] for file in chosen]


def _download(
    model: HubModel, commit: str | None, sizes: dict[str, int], report: Reporter
) -> dict[str, Path]:
    blobs = {file: Blob.of(model, file, commit) for file, size in sizes.items() if size >= _LARGE}
    check_space(model, sum(sizes.values()) - sum(blob.n_present for blob in blobs.values()))
    paths: dict[str, Path] = {}
    done = 0
    with report.task(f"downloading {model}", sum(sizes.values())) as update:
        for file, size in sizes.items():
            if file in blobs:
                blobs[file].download(partial(lambda before, n: update(before + n), done))
            # Downloads a small file; for a large one, whose data is there, only makes the cache's entry.
            paths[file] = Path(hf_hub_download(model.repo, file, revision=model.revision, tqdm_class=_NoBar))
            done += size
            update(done)
    return paths


def _choose(model: HubModel, files: list[str]) -> list[str]:
    chosen = choose_gguf(model, files) or choose_checkpoint(model, files)
    if not chosen:
        raise ModelFileError(
            f"{model}: the repository holds neither a GGUF file nor a safetensors checkpoint"
        )
    return chosen


def cached(model: HubModel, why: str) -> list[Path]:
    """The model's files in the cache. Raises ModelFileError with `why` nothing else was tried."""
    storage = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=model.repo, repo_type="model")
    revision = model.revision or constants.DEFAULT_REVISION
    ref = storage / "refs" / revision
    commit = ref.read_text().strip() if ref.is_file() else revision
    snapshot = storage / "snapshots" / commit
    files = [str(p.relative_to(snapshot)) for p in snapshot.rglob("*") if p.is_file()]
    try:
        return [snapshot / file for file in _choose(model, sorted(files))]
    except ModelFileError:
        raise ModelFileError(
            f"{model}: not, or not completely, in the cache {constants.HF_HUB_CACHE}; {_last_part(why)}"
        ) from None


def _last_part(why: str) -> str:
    return re.sub(r"^[^ ]+: ", "", why)


class _NoBar:
    """Takes the place of tqdm: progress is shown by the reporter."""

    def __init__(self, *_: object, **__: object) -> None:
        self.n = 0

    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> object:
        if name.startswith("_") or name == "update_transfer":
            raise AttributeError(name)
        return lambda *_, **__: None

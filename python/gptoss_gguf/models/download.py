"""Large files of the hub, downloaded so that an interrupted download goes on where it stopped.

huggingface_hub itself writes to a name that is new each time and deletes it on failure. Here the data goes
to one partial file per content; once complete, it becomes the blob that huggingface_hub's cache expects.
Plain HTTP, also where the hub offers Xet, since that cannot be resumed by another process.
"""

import fcntl
import hashlib
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # not in its __all__

from gptoss_gguf.errors import ModelFileError
from gptoss_gguf.models.hub_errors import is_network
from gptoss_gguf.models.names import HubModel
from gptoss_gguf.progress import size_text

_MOST_FAILURES = 5


@dataclass(frozen=True)
class Blob:
    """The content of one file of a repository."""

    model: HubModel
    file: str
    url: str
    etag: str  # names the content; for large files it is the SHA-256
    size: int  # bytes

    @classmethod
    def of(cls, model: HubModel, file: str, commit: str | None) -> "Blob":
        """Asks the hub what the file is."""
        url = hf_hub_url(model.repo, file, revision=commit)
        metadata = get_hf_file_metadata(url)
        if metadata.etag is None or metadata.size is None:
            raise ModelFileError(f"{model}: the hub states no size or no etag for {file}")
        return cls(model, file, url, metadata.etag, metadata.size)

    @property
    def path(self) -> Path:
        """Where huggingface_hub's cache looks for it."""
        storage = repo_folder_name(repo_id=self.model.repo, repo_type="model")
        return Path(constants.HF_HUB_CACHE) / storage / "blobs" / self.etag

    @property
    def partial(self) -> Path:
        return self.path.with_name(f"{self.etag}.gptoss-partial")

    @property
    def n_present(self) -> int:
        """Bytes on disk already."""
        for path in (self.path, self.partial):
            if path.exists():
                return path.stat().st_size
        return 0

    def download(self, progress: Callable[[int], None]) -> None:
        """Completes the blob; tells `progress` the bytes present. The partial file outlives errors."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.partial.with_name(f"{self.etag}.gptoss-lock")):
            if self.path.exists():
                return
            if self.n_present > self.size:
                self.partial.unlink()
            was_partial = self.n_present > 0
            self._download_with_patience(progress)
            if was_partial:
                self._check_hash()
            self.partial.replace(self.path)

    def _download_with_patience(self, progress: Callable[[int], None]) -> None:
        """Tries again after a network error; gives up after five attempts in a row that bring nothing."""
        n_failures = 0
        while True:
            n_before = self.n_present
            try:
                self._download_rest(n_before, progress)
                return
            except Exception as error:  # whatever the HTTP library raises
                n_failures = 0 if self.n_present > n_before else n_failures + 1
                if not is_network(error) or n_failures == _MOST_FAILURES:
                    raise
                time.sleep(2**n_failures / 4)

    def _download_rest(self, n_before: int, progress: Callable[[int], None]) -> None:
        progress(n_before)
        with self.partial.open("ab") as file:
            http_get(
                self.url,
                file,
                resume_size=n_before,
                headers=build_hf_headers(),
                expected_size=self.size,
                tqdm_class=_bar_class(n_before, progress),
            )

    def _check_hash(self) -> None:
        """A resumed file is put together from pieces of several days: make sure that they fit."""
        if len(self.etag) != 64:
            return  # not a SHA-256: a file that the hub does not keep as a large one
        with self.partial.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.etag:
            self.partial.unlink()
            raise ModelFileError(
                f"{self.model}: {self.file} was damaged while it was downloaded (SHA-256 differs); "
                "the partial file is deleted: try again"
            )


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Keeps other processes out; waits for one that is in."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_space(model: HubModel, n_bytes: int) -> None:
    """Raises ModelFileError if the cache's disk cannot take `n_bytes` more."""
    folder = Path(constants.HF_HUB_CACHE)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise ModelFileError(
            f"{model}: the download needs {size_text(n_bytes)}, but {folder} has {size_text(free)} free "
            "(HF_HUB_CACHE sets the folder)"
        )


def _bar_class(n_before: int, progress: Callable[[int], None]) -> Any:
    """What http_get takes for tqdm: forwards the bytes present to `progress`."""

    class Bar:
        def __init__(self, *_: object, initial: int = n_before, **__: object) -> None:
            self.n = initial

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, n: float | None = 1) -> None:
            self.n += int(n or 0)
            progress(self.n)

    return Bar

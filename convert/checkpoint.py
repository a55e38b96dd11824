"""The conversion itself: plan, check disk space, stream to a temporary file, rename."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import ConvertError
from .gguf_writer import padding
from .plan import Dense, Job, prepare
from .safetensors_reader import Reader, TensorReader
from .stream import tensor_pieces

Progress = Callable[[int, int], None]


def convert_checkpoint(
    src: Path, out: Path, *, dense: Dense = "q8_0", progress: Progress | None = None, overwrite: bool = False
) -> None:
    """Converts a Hugging Face gpt-oss checkpoint folder into one GGUF file.

    MXFP4 experts are repacked bit for bit; unquantised experts are rounded to MXFP4 (see mxfp4.quantize).
    Dense matrices become `dense`; norms, biases, sinks and the router become F32. Memory use does not grow
    with the model: tensors are streamed, experts one at a time. The file is written under a temporary name
    beside `out`, synced and renamed; on any exception, KeyboardInterrupt included, the temporary file is
    removed and `out` is untouched.

    Args:
        progress: called with (bytes written so far, bytes of the finished file) after every piece.
        overwrite: replace `out` when it exists.

    Raises:
        ConvertError: everything wrong with the checkpoint, an existing output, too little disk space,
            weights that are not finite or do not fit the type (F16 never saturates), a failing read or write.
    """
    out = Path(out)
    try:
        _check_target(out, overwrite)
        job = prepare(Path(src), dense)
        with TensorReader() as reader:
            write_job(job, out, reader, progress, overwrite=overwrite)
    except OSError as error:
        raise ConvertError(error.filename or out, f"conversion stopped: {error.strerror}") from error


def write_job(job: Job, out: Path, reader: Reader, progress: Progress | None, *, overwrite: bool) -> None:
    """Writes a prepared conversion as `convert_checkpoint` does. Raises OSError where a write fails."""
    _check_space(out, job.n_bytes)
    with _replacing(out) as file:
        _write(job, file, reader, progress)
        _check_target(out, overwrite)


def _check_target(out: Path, overwrite: bool) -> None:
    if out.is_dir():
        raise ConvertError(out, "is a folder; name the GGUF file to write")
    if out.exists() and not overwrite:
        raise ConvertError(out, "already exists; choose another name or allow overwriting")
    if not out.parent.is_dir():
        raise ConvertError(out, f"the folder {out.parent} does not exist")


def _check_space(out: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(out.parent).free
    if free < n_bytes:
        raise ConvertError(
            out, f"needs {n_bytes / 1e9:.2f} GB, but {out.parent} has {free / 1e9:.2f} GB free"
        )


@contextmanager
def _replacing(out: Path) -> Iterator[BinaryIO]:
    """A new file beside `out` that takes its place on success and vanishes on any exception."""
    temporary = out.with_name(f"{out.name}.{secrets.token_hex(4)}.partial")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(out.parent)


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(job: Job, file: BinaryIO, reader: Reader, progress: Progress | None) -> None:
    total = job.n_bytes
    done = file.write(job.header)
    for task in job.tasks:
        begin = done
        for piece in tensor_pieces(task, reader):
            done += file.write(piece.data)
            if progress is not None:
                progress(done, total)
        assert done - begin == task.n_bytes, task.spec.name
        done += file.write(bytes(padding(task.n_bytes)))
    assert done == total
    if progress is not None:
        progress(done, total)

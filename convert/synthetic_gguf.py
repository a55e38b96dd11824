"""A random model straight into a GGUF file: the bytes that a conversion of its checkpoint would give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from .checkpoint import Progress, write_job
from .errors import ConvertError
from .mxfp4 import U8
from .plan import Dense, Job, prepare
from .safetensors_reader import StoredTensor
from .safetensors_writer import TensorSource
from .synthetic import SyntheticShape, synthetic_tensors, write_description


class SyntheticModel:
    """A random model, described and not yet written."""

    def __init__(
        self,
        name: str,
        shape: SyntheticShape,
        *,
        seed: int = 0,
        vocab: Sequence[bytes] | None = None,
        dense: Dense = "q8_0",
    ) -> None:
        """Describes the model that `write_synthetic_checkpoint` with these arguments has in folder `name`.

        Raises ConvertError when the vocabulary does not fit the shape.
        """
        self._sources = {tensor.name: tensor for tensor in synthetic_tensors(shape, seed, vocab)}
        stored = {
            tensor.name: StoredTensor(Path(tensor.name), tensor.dtype, tensor.shape, 0, tensor.n_bytes)
            for tensor in self._sources.values()
        }
        with TemporaryDirectory() as folder:
            description = Path(folder) / name
            write_description(description, shape, vocab)
            self._job: Job = prepare(description, dense, stored)

    @property
    def n_bytes(self) -> int:
        """Size of the file, which is also the disk space needed."""
        return self._job.n_bytes

    def write(self, out: Path, progress: Progress | None = None) -> None:
        """Writes the file under a temporary name and renames it; on any exception nothing is left.

        progress: called with (bytes written so far, bytes of the finished file).
        Raises ConvertError for too little disk space or a failing write.
        """
        try:
            write_job(self._job, out, _Generator(self._sources), progress, overwrite=True)
        except OSError as error:
            raise ConvertError(error.filename or out, f"writing stopped: {error.strerror}") from error


class _Generator:
    """Reads tensors that exist only as what makes them."""

    def __init__(self, sources: dict[str, TensorSource]) -> None:
        self._sources = sources
        self._streams: dict[str, _Stream] = {}

    def read(self, tensor: StoredTensor, begin: int, end: int) -> U8:
        """Bytes [begin, end) of a tensor; those before `begin` must have been read, or begin is 0."""
        name = str(tensor.path)
        if begin == 0:
            self._streams[name] = _Stream(self._sources[name].pieces())
        data = self._streams[name].take(begin, end - begin)
        if end == tensor.n_bytes:
            del self._streams[name]
        return data


class _Stream:
    """Cuts the pieces of a tensor anew."""

    def __init__(self, pieces: Iterator[U8]) -> None:
        self._pieces = pieces
        self._rest = np.empty(0, np.uint8)
        self._position = 0

    def take(self, begin: int, count: int) -> U8:
        assert begin == self._position, "a tensor is read from its beginning to its end"
        parts, have = [self._rest], len(self._rest)
        while have < count:
            parts.append(next(self._pieces))
            have += len(parts[-1])
        data = np.concatenate(parts)
        self._rest = data[count:]
        self._position += count
        return data[:count]

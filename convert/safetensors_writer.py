"""Streaming writer for safetensors checkpoints: sizes first, then the data of each tensor in pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from .mxfp4 import U8
from .safetensors_reader import DTYPE_BYTES


@dataclass(frozen=True)
class TensorSource:
    """A tensor to write; `pieces` yields its bytes in row-major order."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterator[U8]]

    @property
    def n_bytes(self) -> int:
        return prod(self.shape) * DTYPE_BYTES[self.dtype]


def write_checkpoint(folder: Path, tensors: Sequence[TensorSource], max_shard_bytes: int) -> None:
    """Writes model.safetensors, or several shards and their index when the tensors exceed max_shard_bytes."""
    shards = _shards(tensors, max_shard_bytes)
    if len(shards) == 1:
        _write_file(folder / "model.safetensors", shards[0])
        return
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write_file(folder / name, shard)
        weight_map |= {tensor.name: name for tensor in shard}
    index = {"metadata": {"total_size": sum(tensor.n_bytes for tensor in tensors)}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def _shards(tensors: Sequence[TensorSource], max_bytes: int) -> list[list[TensorSource]]:
    """Consecutive tensors, at least one and at most max_bytes a shard."""
    shards: list[list[TensorSource]] = [[]]
    size = 0
    for tensor in tensors:
        if shards[-1] and size + tensor.n_bytes > max_bytes:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += tensor.n_bytes
    return shards


def _write_file(path: Path, tensors: Sequence[TensorSource]) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        begin, end = end, end + tensor.n_bytes
        header[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the data begins 8-byte aligned
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            written = sum(file.write(piece.data) for piece in tensor.pieces())
            assert written == tensor.n_bytes, tensor.name

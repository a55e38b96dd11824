"""Reading safetensors checkpoints. A header is untrusted input.

Reads go through pread instead of mmap: pages of a mapping would count as this process's memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeGuard

import numpy as np

from .errors import ConvertError
from .mxfp4 import U8

MAX_HEADER_BYTES: Final = 100_000_000  # the limit of the reference implementation
MAX_DIMS: Final = 8
DTYPE_BYTES: Final = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4,
    "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a safetensors file; `offset` and `n_bytes` are in bytes, from the start of the file."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int
    n_bytes: int


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises ConvertError naming the file; duplicate keys count as an error."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConvertError(path, "file is missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConvertError(path, f"cannot be read: {error}") from error
    return parse_json_object(text, path)


def parse_json_object(text: str | bytes, where: object) -> dict[str, Any]:
    """A JSON object from text. Raises ConvertError beginning with `where`."""
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise ConvertError(where, f"is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConvertError(where, "holds no JSON object")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} occurs twice")
    return result


def read_header(path: Path) -> dict[str, StoredTensor]:
    """The tensors of one safetensors file by name.

    Raises ConvertError unless every length, shape and range is consistent with the file's size and no two
    tensors overlap.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
                raise ConvertError(path, f"no safetensors file: header of {length} bytes in a file of {size}")
            text = file.read(length)
    except OSError as error:
        raise ConvertError(path, f"cannot be read: {error.strerror}") from error
    header = parse_json_object(text, f"{path}, header")
    header.pop("__metadata__", None)
    base = 8 + length
    tensors = {name: _stored_tensor(path, name, entry, base, size - base) for name, entry in header.items()}
    _check_disjoint(path, tensors)
    return tensors


def _stored_tensor(path: Path, name: str, entry: object, base: int, available: int) -> StoredTensor:
    """Validates one header entry; `base` is the file offset of the data, `available` its length in bytes."""
    where = f"{path}, tensor {name!r}"
    if not isinstance(entry, dict):
        raise ConvertError(where, "header entry is no object")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise ConvertError(where, f"unknown dtype {dtype!r}")
    if not _is_sizes(shape) or len(shape) > MAX_DIMS:
        raise ConvertError(where, f"bad shape {shape!r}")
    if not _is_sizes(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1] <= available:
        raise ConvertError(where, f"data_offsets {offsets!r} do not fit the file: {available} data bytes")
    n_bytes = prod(shape) * DTYPE_BYTES[dtype]
    if offsets[1] - offsets[0] != n_bytes:
        raise ConvertError(where, f"{dtype} {shape} needs {n_bytes} bytes, not data_offsets {offsets}")
    return StoredTensor(path, dtype, tuple(shape), base + offsets[0], n_bytes)


def _is_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)


def _check_disjoint(path: Path, tensors: Mapping[str, StoredTensor]) -> None:
    ordered = sorted(((t.offset, t.offset + t.n_bytes, name) for name, t in tensors.items() if t.n_bytes))
    for (_, end, first), (begin, _, second) in pairwise(ordered):
        if begin < end:
            raise ConvertError(path, f"tensors {first!r} and {second!r} overlap")


def list_tensors(folder: Path) -> dict[str, StoredTensor]:
    """All tensors of a checkpoint folder: model.safetensors, or the shards of model.safetensors.index.json.

    Raises ConvertError for an unreadable or hostile file, or an index that disagrees with its shards.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return read_header(single)
    if not index.is_file():
        raise ConvertError(folder, "holds neither model.safetensors nor model.safetensors.index.json")
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise ConvertError(index, "weight_map is no map of tensor name to file name")
    return _read_shards(folder, index, weight_map)


def _read_shards(folder: Path, index: Path, weight_map: Mapping[str, str]) -> dict[str, StoredTensor]:
    tensors: dict[str, StoredTensor] = {}
    problems: list[str] = []
    for shard in sorted(set(weight_map.values())):
        if shard != Path(shard).name or not shard.endswith(".safetensors"):
            problems.append(f"shard {shard!r} is no plain *.safetensors file name")
            continue
        try:
            held = read_header(folder / shard)
        except ConvertError as error:
            problems.extend(error.problems if len(error.problems) > 1 else [str(error)])
            continue
        problems += [
            f"tensor {name!r} is in {shard} and another shard" for name in held.keys() & tensors.keys()
        ]
        tensors.update(held)
        expected = {name for name, file in weight_map.items() if file == shard}
        problems += [f"tensor {name!r} is not in {shard}" for name in sorted(expected - held.keys())]
    if problems:
        raise ConvertError(index, problems)
    return tensors


class Reader(Protocol):
    """Where the bytes of stored tensors come from."""

    def read(self, tensor: StoredTensor, begin: int, end: int) -> U8:
        """Bytes [begin, end) of a tensor as a fresh uint8 array."""


class TensorReader:
    """Reads byte ranges of stored tensors; keeps one open descriptor per shard until closed."""

    def __init__(self) -> None:
        self._descriptors: dict[Path, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def read(self, tensor: StoredTensor, begin: int, end: int) -> U8:
        """Bytes [begin, end) of a tensor as a fresh uint8 array. Raises ConvertError if the file is short."""
        descriptor = self._descriptors.get(tensor.path)
        if descriptor is None:
            descriptor = self._descriptors[tensor.path] = os.open(tensor.path, os.O_RDONLY)
        data = np.empty(end - begin, np.uint8)
        done = 0
        while done < len(data):
            count = os.preadv(descriptor, [data[done:].data], tensor.offset + begin + done)
            if count == 0:
                raise ConvertError(
                    tensor.path, f"ends at byte {tensor.offset + begin + done}, inside a tensor"
                )
            done += count
        return data

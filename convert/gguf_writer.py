"""The GGUF header: metadata values, tensor table and alignment. Tensor data is streamed by the caller."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from .schema import GgmlType

ALIGNMENT: Final = 32
VERSION: Final = 3
_ARRAY: Final = 9


class ValueType(Enum):
    """GGUF metadata types that the converter writes: (type id, struct format)."""

    U32 = (4, "<I")
    I32 = (5, "<i")
    F32 = (6, "<f")
    BOOL = (7, "<?")
    STRING = (8, "")

    @property
    def id(self) -> int:
        """The number that stands for this type in a GGUF file."""
        return self.value[0]


Scalar = int | float | bool | str


@dataclass(frozen=True)
class MetaValue:
    """One metadata value: a scalar, or a homogeneous array when `value` is a list or tuple."""

    type: ValueType
    value: Scalar | Sequence[Scalar]

    @property
    def is_array(self) -> bool:
        return isinstance(self.value, list | tuple)


@dataclass(frozen=True)
class TensorEntry:
    """A row of the tensor table; `shape` in ggml order (contiguous dimension first)."""

    name: str
    type: GgmlType
    shape: tuple[int, ...]
    n_bytes: int


def padding(n_bytes: int) -> int:
    """Zero bytes that follow `n_bytes` so that the next item is aligned."""
    return -n_bytes % ALIGNMENT


def encode_header(metadata: Mapping[str, MetaValue], tensors: Sequence[TensorEntry]) -> bytes:
    """All bytes before the tensor data, padded to the alignment; tensors follow in order, each padded."""
    out = bytearray(struct.pack("<4sIQQ", b"GGUF", VERSION, len(tensors), len(metadata)))
    for key, meta in metadata.items():
        out += _string(key)
        out += _meta_value(meta)
    offset = 0
    for tensor in tensors:
        out += _string(tensor.name)
        out += struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        out += struct.pack("<IQ", tensor.type.id, offset)
        offset += tensor.n_bytes + padding(tensor.n_bytes)
    out += bytes(padding(len(out)))
    return bytes(out)


def _string(text: str) -> bytes:
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def _meta_value(meta: MetaValue) -> bytes:
    if not isinstance(meta.value, list | tuple):
        return struct.pack("<I", meta.type.id) + _scalar(meta.type, meta.value)
    head = struct.pack("<IIQ", _ARRAY, meta.type.id, len(meta.value))
    if meta.type is ValueType.STRING:
        return head + b"".join(_string(str(item)) for item in meta.value)
    return head + np.asarray(meta.value, meta.type.value[1]).tobytes()


def _scalar(kind: ValueType, value: object) -> bytes:
    return _string(str(value)) if kind is ValueType.STRING else struct.pack(kind.value[1], value)

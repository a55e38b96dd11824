"""GGUF files taken apart and put together again, with any tensor type id, names and layout."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader, quants

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

ALIGNMENT: Final = 32
MXFP4_PAIRS: Final = 4  # Ollama's first expert type: like MXFP4, but a byte holds two adjacent weights
_SCALARS: Final = {"u16": (2, "<H"), "u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f"), "bool": (7, "<?")}


@dataclass(frozen=True)
class Stored:
    """One tensor of a file: type id, shape in ggml order (contiguous dimension first), bytes uint8 [n]."""

    type_id: int
    shape: tuple[int, ...]
    data: U8

    @property
    def type_name(self) -> str:
        return GGMLQuantizationType(self.type_id).name


@dataclass
class Gguf:
    """The contents of a file. Metadata values are encoded: the value type id and what follows it."""

    metadata: dict[str, bytes] = field(default_factory=dict)
    tensors: dict[str, Stored] = field(default_factory=dict)

    def copy(self) -> Gguf:
        return Gguf(dict(self.metadata), dict(self.tensors))

    def set(self, key: str, kind: str, value: Any) -> None:
        """Adds or replaces a scalar or text; `kind` is u16, u32, i32, f32, bool or text."""
        self.metadata[key] = encode_value(kind, value)

    def rename(self, old: str, new: str) -> None:
        self.tensors[new] = self.tensors.pop(old)

    def write(self, path: Path) -> Path:
        """One file, tensors in order."""
        path.write_bytes(_encode(self.metadata, self.tensors))
        return path

    def write_split(self, folder: Path, stem: str, n_parts: int) -> list[Path]:
        """Files `stem`-00001-of-0000N.gguf: the metadata in the first, a share of the tensors in each."""
        names = list(self.tensors)
        paths = []
        for index in range(n_parts):
            chosen = names[index * len(names) // n_parts : (index + 1) * len(names) // n_parts]
            metadata = dict(self.metadata) if index == 0 else {}
            metadata["split.no"] = encode_value("u16", index)
            metadata["split.count"] = encode_value("u16", n_parts)
            metadata["split.tensors.count"] = encode_value("i32", len(names))
            path = folder / f"{stem}-{index + 1:05d}-of-{n_parts:05d}.gguf"
            path.write_bytes(_encode(metadata, {name: self.tensors[name] for name in chosen}))
            paths.append(path)
        return paths


def read_gguf(path: Path) -> Gguf:
    """A file with a vocabulary of test size, whole, in memory."""
    reader = GGUFReader(path)
    contents = Gguf()
    for key, value in reader.fields.items():
        if key.startswith("GGUF."):  # version and counts, which the package lists as keys
            continue
        # parts: key length, key, then the value with its type first.
        contents.metadata[key] = b"".join(np.ascontiguousarray(part).tobytes() for part in value.parts[2:])
    for tensor in reader.tensors:
        data = np.ascontiguousarray(tensor.data).view(np.uint8).reshape(-1).copy()
        contents.tensors[tensor.name] = Stored(int(tensor.tensor_type), tuple(map(int, tensor.shape)), data)
    return contents


def encode_value(kind: str, value: Any) -> bytes:
    if kind == "text":
        raw = str(value).encode()
        return struct.pack("<IQ", 8, len(raw)) + raw
    type_id, code = _SCALARS[kind]
    return struct.pack("<I" + code[1:], type_id, value)


def _encode(metadata: dict[str, bytes], tensors: dict[str, Stored]) -> bytes:
    out = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata)))
    for key, value in metadata.items():
        out += struct.pack("<Q", len(key)) + key.encode() + value
    offset = 0
    for name, tensor in tensors.items():
        out += struct.pack("<Q", len(name)) + name.encode()
        out += struct.pack(
            f"<I{len(tensor.shape)}QIQ", len(tensor.shape), *tensor.shape, tensor.type_id, offset
        )
        offset += len(tensor.data) + -len(tensor.data) % ALIGNMENT
    out += bytes(-len(out) % ALIGNMENT)
    for tensor in tensors.values():
        out += tensor.data.tobytes() + bytes(-len(tensor.data) % ALIGNMENT)
    return bytes(out)


def floats(values: F32) -> Stored:
    """A tensor of type F32 from values in row-major order."""
    data = np.ascontiguousarray(values, "<f4").reshape(-1).view(np.uint8)
    return Stored(GGMLQuantizationType.F32, tuple(values.shape[::-1]), data)


def dequantize(tensor: Stored) -> F32:
    """What the `gguf` package makes of a tensor, float32 in row-major order."""
    kind = GGMLQuantizationType(tensor.type_id)
    rows = tensor.data.reshape(-1, row_bytes(kind, tensor.shape[0]))
    values: F32 = quants.dequantize(rows, kind) if kind != GGMLQuantizationType.F32 else rows.view("<f4")
    return values.reshape(tensor.shape[::-1])


def as_f32(tensor: Stored) -> Stored:
    """The same weights stored as F32."""
    return floats(dequantize(tensor))


def as_q8_0(tensor: Stored) -> Stored:
    """The weights rounded to Q8_0 by the `gguf` package."""
    return quantized(dequantize(tensor), GGMLQuantizationType.Q8_0)


def quantized(values: F32, kind: GGMLQuantizationType) -> Stored:
    """Values in row-major order, in a type that the `gguf` package can write."""
    rows = quants.quantize(values.reshape(-1, values.shape[-1]), kind)
    return Stored(kind, tuple(values.shape[::-1]), np.ascontiguousarray(rows).view(np.uint8).reshape(-1))


def row_bytes(kind: GGMLQuantizationType, cols: int) -> int:
    items, size = GGML_QUANT_SIZES[kind]
    return cols // items * size


def replaced(contents: Gguf, names: Iterable[str], change: Any) -> Gguf:
    """A copy in which `change` (Stored -> Stored) was applied to these tensors."""
    result = contents.copy()
    for name in names:
        result.tensors[name] = change(result.tensors[name])
    return result


def matrices(contents: Gguf) -> list[str]:
    """The tensors that a quantiser touches: dense and expert matrices, but not the router."""
    return [
        name
        for name, tensor in contents.tensors.items()
        if name.endswith(".weight") and prod(tensor.shape[1:]) > 1 and "ffn_gate_inp" not in name
    ]


def as_pairs(tensor: Stored) -> Stored:
    """MXFP4 in ggml's nibble order (j, j + 16) -> Ollama's first order, adjacent pairs (2j, 2j + 1)."""
    blocks = tensor.data.reshape(-1, 17)
    codes = np.concatenate([blocks[:, 1:] & 0x0F, blocks[:, 1:] >> 4], axis=1)
    pairs = codes[:, 0::2] | codes[:, 1::2] << 4
    data = np.concatenate([blocks[:, :1], pairs], axis=1).reshape(-1)
    return replace(tensor, type_id=MXFP4_PAIRS, data=np.ascontiguousarray(data))

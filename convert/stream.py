"""Producing the bytes of one GGUF tensor in pieces, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final

import numpy as np

from . import dense, mxfp4
from .errors import ConvertError
from .mxfp4 import F32, U8
from .plan import TensorTask
from .safetensors_reader import DTYPE_BYTES, Reader, StoredTensor
from .schema import GgmlType, Rows

_PIECE_WEIGHTS: Final = 1 << 22  # weights of a dense tensor converted at a time


def tensor_pieces(task: TensorTask, reader: Reader) -> Iterator[U8]:
    """Yields the tensor's bytes in order as contiguous uint8 arrays.

    Raises:
        ConvertError: naming the source tensor, for NaN, infinite or too large weights, or a truncated file.
    """
    if task.type is not GgmlType.MXFP4:
        return _dense_pieces(task, reader)
    if len(task.stored) == 2:
        return _repacked_experts(task, reader)
    return _quantized_experts(task, reader)


def _dense_pieces(task: TensorTask, reader: Reader) -> Iterator[U8]:
    name, stored = task.sources[0], task.stored[0]
    cols = stored.shape[-1]
    rows = prod(stored.shape[:-1])
    step = max(1, _PIECE_WEIGHTS // cols)
    for begin in range(0, rows, step):
        values = _read_floats(name, stored, begin * cols, min(begin + step, rows) * cols, reader)
        if task.spec.rows is not Rows.ALL:  # interleaved gate and up biases: [experts, 2 * ff]
            values = np.ascontiguousarray(values.reshape(-1, cols)[:, task.spec.rows.value]).reshape(-1)
        yield _encode(name, values, task.type)


def _encode(name: str, values: F32, kind: GgmlType) -> U8:
    """Finite float32 [n] -> the bytes of a GGUF type; refuses values that the type cannot hold."""
    if kind is GgmlType.F32:
        return dense.encode_f32(values)
    if kind is GgmlType.Q8_0:
        out = dense.encode_q8_0(values)
        scales = out.reshape(-1, 34)[:, :2].copy().view("<f2")
        representable = np.isfinite(scales)
    else:
        out = dense.encode_bf16(values) if kind is GgmlType.BF16 else dense.encode_f16(values)
        representable = np.isfinite(dense.to_float32(out, kind.name))
    if not representable.all():
        largest = float(np.abs(values).max())
        raise ConvertError(
            f"tensor {name}",
            f"magnitude {largest:.6g} does not fit {kind.name}; choose another type for dense weights",
        )
    return out


def _read_floats(name: str, stored: StoredTensor, begin: int, end: int, reader: Reader) -> F32:
    """Weights [begin, end) of a floating-point tensor as finite float32."""
    size = DTYPE_BYTES[stored.dtype]
    values = dense.to_float32(reader.read(stored, begin * size, end * size), stored.dtype)
    if not dense.is_finite(values):
        index = begin + int(np.argmin(np.isfinite(values)))
        where = f"{stored.path}, tensor {name}"
        raise ConvertError(where, f"weight {index} at byte {stored.offset + index * size} is NaN or infinite")
    return values


def _repacked_experts(task: TensorTask, reader: Reader) -> Iterator[U8]:
    """MXFP4 blocks [experts, rows, K/32, 16] and scales [experts, rows, K/32], one expert at a time."""
    blocks, scales = task.stored
    experts, rows, groups = scales.shape
    size = rows * groups
    for expert in range(experts):
        scale = reader.read(scales, expert * size, (expert + 1) * size)
        bad = scale > mxfp4.MAX_FINITE_SCALE
        if bad.any():
            index = expert * size + int(np.argmax(bad))
            raise ConvertError(
                f"{scales.path}, tensor {task.sources[1]}",
                f"scale byte {scale[bad][0]} at byte {scales.offset + index} stands for NaN or infinity",
            )
        nibbles = reader.read(blocks, expert * size * 16, (expert + 1) * size * 16).reshape(rows, groups, 16)
        chosen = task.spec.rows.value
        yield mxfp4.repack(nibbles[chosen], scale.reshape(rows, groups)[chosen]).reshape(-1)


def _quantized_experts(task: TensorTask, reader: Reader) -> Iterator[U8]:
    """Unquantised experts, stored transposed as [experts, K, rows], one expert at a time."""
    name, stored = task.sources[0], task.stored[0]
    experts, cols, rows = stored.shape
    size = cols * rows
    for expert in range(experts):
        values = _read_floats(name, stored, expert * size, (expert + 1) * size, reader).reshape(cols, rows)
        yield mxfp4.quantize(np.ascontiguousarray(values.T[task.spec.rows.value])).reshape(-1)

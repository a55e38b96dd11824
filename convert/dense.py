"""Dense number formats: bf16, f16 and f32 bytes to float32, and float32 to Q8_0, BF16 and F16."""

from __future__ import annotations

import numpy as np

from .mxfp4 import F32, U8

Q8_0_BLOCK = 32


def to_float32(raw: U8, dtype: str) -> F32:
    """Little-endian bytes uint8 [n] of a safetensors dtype (BF16, F16 or F32) -> float32 [n_values]."""
    if dtype == "BF16":
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return raw.view("<f2" if dtype == "F16" else "<f4").astype(np.float32, copy=False)


def is_finite(values: F32) -> bool:
    """Whether no value is NaN or infinite."""
    return bool(np.isfinite(values).all())


def encode_f32(values: F32) -> U8:
    """float32 -> its bytes, uint8 [4 * size]."""
    return np.ascontiguousarray(values, "<f4").reshape(-1).view(np.uint8)


def encode_f16(values: F32) -> U8:
    """float32 -> IEEE half bytes, uint8 [2 * size]; beyond 65504 they are infinite, which callers check."""
    with np.errstate(over="ignore"):
        return values.astype("<f2").reshape(-1).view(np.uint8)


def encode_bf16(values: F32) -> U8:
    """Finite float32 -> bfloat16 bytes, uint8 [2 * size], rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values).reshape(-1).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return rounded.astype("<u2").view(np.uint8)


def encode_q8_0(values: F32) -> U8:
    """float32 [..., K], K a multiple of 32 -> Q8_0 blocks of 34 bytes, uint8 [size / 32 * 34].

    A block is a half-precision scale, max|x| / 127, and 32 int8 quotients rounded half away from zero. The
    quotients use the unrounded scale, as in ggml.
    """
    blocks = values.reshape(-1, Q8_0_BLOCK)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    # A subnormal scale has no finite reciprocal; it is stored as zero anyway, so the block is zero.
    usable = scale >= np.finfo(np.float32).tiny
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=usable)
    quotients = blocks * inverse
    magnitude = np.abs(quotients)
    rounded = np.floor(magnitude)
    rounded += magnitude - rounded >= 0.5
    out = np.empty((len(blocks), 2 + Q8_0_BLOCK), np.uint8)
    with np.errstate(over="ignore"):
        out[:, :2] = scale.astype("<f2").view(np.uint8)
    out[:, 2:] = np.copysign(rounded, quotients).astype(np.int8).view(np.uint8)
    return out.reshape(-1)

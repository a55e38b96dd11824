"""The random weights of a synthetic checkpoint, generated piece by piece from an integer hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from math import log2, prod, sqrt
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from .config import HEAD_DIM
from .dense import encode_bf16
from .mxfp4 import F32, MAGNITUDES, U8
from .safetensors_writer import TensorSource
from .schema import MXFP4_BLOCK

Experts = Literal["mxfp4", "bf16"]
U64 = npt.NDArray[np.uint64]

_PIECE_WEIGHTS: Final = 1 << 20
_SUM_OF_FOUR_STD: Final = sqrt((65536.0**2 - 1) / 3)  # of four independent uniform 16-bit integers
_CODE_RMS: Final = sqrt(float((MAGNITUDES**2).mean()))  # of uniformly drawn E2M1 codes


def hash64(seed: int, name: str, begin: int, count: int) -> U64:
    """splitmix64 of a counter: values begin .. begin + count of the stream (seed, name), uint64 [count]."""
    key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "little")
    x = np.arange(begin, begin + count, dtype=np.uint64)
    x *= np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64(key)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def normal(seed: int, name: str, begin: int, count: int) -> F32:
    """Nearly normal values of mean 0 and variance 1, float32 [count]: sums of four 16-bit integers."""
    words = hash64(seed, name, begin, count).astype("<u8").view("<u2").reshape(count, 4)
    total = words.sum(axis=1, dtype=np.int32) - 2 * 65535
    values: F32 = total.astype(np.float32) * np.float32(1 / _SUM_OF_FOUR_STD)
    return values


def checkpoint_tensors(shape: Mapping[str, Any], seed: int, experts: Experts) -> list[TensorSource]:
    """All tensors of a model; `shape` holds the fields of SyntheticShape, vocab_size filled in.

    Matrices are scaled by 1/sqrt(inputs) times a gain that gives peaked attention, gates that reach the
    SwiGLU limit now and then, and logits with a standard deviation of about 3.
    """
    hidden, vocab = shape["hidden"], shape["vocab_size"]
    tensors = [_dense(seed, "model.embed_tokens.weight", (vocab, hidden), std=1.0)]
    for layer in range(shape["n_layers"]):
        tensors += _layer(shape, seed, layer, experts)
    tensors.append(_dense(seed, "model.norm.weight", (hidden,), std=0.1, mean=1.0))
    tensors.append(_dense(seed, "lm_head.weight", (vocab, hidden), std=3 / sqrt(hidden)))
    return tensors


def _layer(shape: Mapping[str, Any], seed: int, layer: int, experts: Experts) -> list[TensorSource]:
    hidden, ff, n_experts = shape["hidden"], shape["ff"], shape["experts"]
    q_width, kv_width = shape["heads"] * HEAD_DIM, shape["kv_heads"] * HEAD_DIM
    prefix = f"model.layers.{layer}."
    dense = partial(_dense, seed)
    tensors = [dense(prefix + "input_layernorm.weight", (hidden,), std=0.1, mean=1.0)]
    for name, rows, cols in (
        ("q", q_width, hidden),
        ("k", kv_width, hidden),
        ("v", kv_width, hidden),
        ("o", hidden, q_width),
    ):
        tensors.append(dense(f"{prefix}self_attn.{name}_proj.weight", (rows, cols), std=1 / sqrt(cols)))
        tensors.append(dense(f"{prefix}self_attn.{name}_proj.bias", (rows,), std=0.1))
    tensors += [
        dense(prefix + "self_attn.sinks", (shape["heads"],), std=1.0, mean=0.5),
        dense(prefix + "post_attention_layernorm.weight", (hidden,), std=0.1, mean=1.0),
        dense(prefix + "mlp.router.weight", (n_experts, hidden), std=0.7 / sqrt(hidden)),
        _router_bias(seed, prefix + "mlp.router.bias", n_experts, layer, shape["skewed_router"]),
    ]
    for name, rows, cols, gain in (("gate_up_proj", 2 * ff, hidden, 2.0), ("down_proj", hidden, ff, 0.3)):
        stem = f"{prefix}mlp.experts.{name}"
        tensors += _experts(seed, stem, (n_experts, rows, cols), gain, experts)
        tensors.append(dense(f"{stem}_bias", (n_experts, rows), std=0.1))
    return tensors


def _dense(seed: int, name: str, shape: tuple[int, ...], std: float, mean: float = 0.0) -> TensorSource:
    """A bf16 tensor of independent values."""
    size = prod(shape)

    def pieces() -> Iterator[U8]:
        for begin in range(0, size, _PIECE_WEIGHTS):
            values = normal(seed, name, begin, min(_PIECE_WEIGHTS, size - begin))
            yield encode_bf16(values * np.float32(std) + np.float32(mean))

    return TensorSource(name, "BF16", shape, pieces)


def _router_bias(seed: int, name: str, n_experts: int, layer: int, skewed: bool) -> TensorSource:
    """A small random bias; when skewed, one expert wins every token and its neighbour none."""

    def pieces() -> Iterator[U8]:
        bias = normal(seed, name, 0, n_experts) * np.float32(0.1)
        if skewed and n_experts > 4:
            bias[layer % n_experts] = 4
            bias[(layer + 1) % n_experts] = -6
        yield encode_bf16(bias)

    return TensorSource(name, "BF16", (n_experts,), pieces)


def _experts(
    seed: int, stem: str, shape: tuple[int, int, int], gain: float, kind: Experts
) -> list[TensorSource]:
    """Expert matrices [experts, rows, cols] as MXFP4 blocks and scales, or as transposed bf16."""
    n_experts, rows, cols = shape
    groups = cols // MXFP4_BLOCK
    blocks = partial(_expert_blocks, seed, stem, rows * groups)
    scales = partial(_expert_scales, seed, stem, rows * groups, gain / sqrt(cols))

    def unquantised(expert: int) -> U8:
        values = _block_values(blocks(expert), scales(expert)).reshape(rows, cols)
        return encode_bf16(np.ascontiguousarray(values.T))

    if kind == "bf16":
        return [
            TensorSource(stem, "BF16", (n_experts, cols, rows), lambda: map(unquantised, range(n_experts)))
        ]
    packed = (n_experts, rows, groups)
    return [
        TensorSource(f"{stem}_blocks", "U8", (*packed, 16), lambda: map(blocks, range(n_experts))),
        TensorSource(f"{stem}_scales", "U8", packed, lambda: map(scales, range(n_experts))),
    ]


def _expert_blocks(seed: int, stem: str, n_blocks: int, expert: int) -> U8:
    """Uniformly random nibbles of one expert, uint8 [n_blocks * 16]."""
    words = hash64(seed, f"{stem}_blocks", expert * n_blocks * 2, n_blocks * 2)
    return words.astype("<u8").view(np.uint8)


def _expert_scales(seed: int, stem: str, n_blocks: int, rms: float, expert: int) -> U8:
    """Scale bytes of one expert, uint8 [n_blocks]: around the target rms, half of them an octave off."""
    middle = 127 + round(log2(rms / _CODE_RMS))
    draw = hash64(seed, f"{stem}_scales", expert * n_blocks, n_blocks) >> np.uint64(62)
    scales: U8 = np.array([middle - 1, middle, middle, middle + 1], np.uint8)[draw]
    return scales


def _block_values(blocks: U8, scales: U8) -> F32:
    """What checkpoint blocks uint8 [n * 16] with scales uint8 [n] stand for, float32 [n, 32]."""
    signed = np.concatenate([MAGNITUDES, -MAGNITUDES])
    nibbles = np.stack([blocks & 0x0F, blocks >> 4], axis=-1).reshape(len(scales), MXFP4_BLOCK)
    values: F32 = signed[nibbles] * np.ldexp(np.float32(1), scales.astype(np.int32) - 127)[:, None]
    return values

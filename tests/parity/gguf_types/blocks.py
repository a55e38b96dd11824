"""Random valid blocks of every readable type, and the twin of a tensor with what the engine computes with."""

from __future__ import annotations

from typing import Final

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

from tests.parity.gguf_types.gguf_edit import F32, U8, Stored, as_f32, as_q8_0, dequantize, row_bytes

NATIVE: Final = ("F32", "F16", "BF16", "Q8_0", "MXFP4")  # computed with as they are
# Converted to Q8_0 at load, with the byte offsets of the half-precision scales in a block.
CONVERTED: Final = {
    "Q4_0": (0,),
    "Q4_1": (0, 2),
    "Q5_0": (0,),
    "Q5_1": (0, 2),
    "IQ4_NL": (0,),
    "IQ4_XS": (0,),
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
}


def block_size(kind: str) -> int:
    """Weights of a block."""
    return GGML_QUANT_SIZES[GGMLQuantizationType[kind]][0]


def random_tensor(kind: str, like: Stored, rng: np.random.Generator) -> Stored:
    """A tensor of a type with random codes and scales, of the shape and about the magnitude of another."""
    target = float(np.sqrt((dequantize(like) ** 2).mean()))
    type_id = GGMLQuantizationType[kind]
    if kind in NATIVE and kind not in ("Q8_0", "MXFP4"):
        values = rng.normal(0, target, like.shape[::-1]).astype(np.float32)
        rows = quants.quantize(values, type_id)
        return Stored(type_id, like.shape, np.ascontiguousarray(rows).view(np.uint8).reshape(-1))
    n_rows = int(np.prod(like.shape[1:]))
    items, size = GGML_QUANT_SIZES[type_id]
    blocks = rng.integers(0, 256, (n_rows * like.shape[0] // items, size), dtype=np.uint8)
    if kind == "MXFP4":
        blocks[:, 0] = 127 + round(np.log2(target / 2.7)) + rng.integers(-1, 2, len(blocks))
    else:
        _set_scales(blocks, kind, target, rng)
    assert blocks.size == n_rows * row_bytes(type_id, like.shape[0])
    return Stored(type_id, like.shape, blocks.reshape(-1))


def _set_scales(blocks: U8, kind: str, target: float, rng: np.random.Generator) -> None:
    """Scales of both signs, within an octave, such that the root mean square of the weights is `target`."""
    magnitudes = np.exp2(rng.uniform(-0.5, 0.5, len(blocks)))
    signs = rng.choice([-1.0, 1.0], len(blocks))
    factor = 1.0
    for _ in range(2):  # with scales of about one first, to learn what the codes amount to
        for nth, at in enumerate(CONVERTED.get(kind, (0,))):
            # A minimum (m, dmin) that centres the weights has the sign that makes it work against the scale.
            halves = (magnitudes * signs * factor * (1 if nth == 0 else _CENTRE[kind])).astype("<f2")
            blocks[:, at : at + 2] = halves.view(np.uint8).reshape(-1, 2)
        weights: F32 = quants.dequantize(blocks, GGMLQuantizationType[kind])
        factor *= target / float(np.sqrt((weights.astype(np.float64) ** 2).mean()))


# The minimum relative to the scale: m is added, dmin subtracted.
_CENTRE: Final = {"Q4_1": -7.5, "Q5_1": -15.5, "Q2_K": 1.5, "Q4_K": 7.5, "Q5_K": 15.5}


def f32_twin(tensor: Stored) -> Stored:
    """The weights that the engine computes with, stored as F32.

    As `gguf` dequantises them, by way of Q8_0 where the type is converted at load.
    """
    return as_f32(tensor if tensor.type_name in NATIVE else as_q8_0(tensor))

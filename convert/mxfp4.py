"""MXFP4: repacking checkpoint blocks into GGUF blocks, and quantising unquantised experts.

A block is 32 weights along the input dimension that share one E8M0 scale byte e:
value = {0, .5, 1, 1.5, 2, 3, 4, 6} * sign * 2**(e - 127), four bits a weight.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .schema import MXFP4_BLOCK

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

BLOCK_BYTES: Final = 17  # scale byte, then 16 bytes of nibbles
MAX_FINITE_SCALE: Final = 252  # above, 6 * 2**(e - 127) exceeds float32; 255 is NaN
MAGNITUDES: Final = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
# Midpoints between neighbouring magnitudes; a value exactly between two takes the smaller one.
_MIDPOINTS: Final = ((MAGNITUDES[1:] + MAGNITUDES[:-1]) / 2).tolist()
_CHUNK_BLOCKS: Final = 4096  # keeps the temporaries of quantize in the L2 cache


def repack(blocks: U8, scales: U8) -> U8:
    """Checkpoint layout -> GGUF layout, without touching a value.

    blocks: uint8 [..., K/32, 16], byte i holds element 2i in its low nibble and 2i+1 in its high one.
    scales: uint8 [..., K/32].
    Returns uint8 [..., K/32, 17]: the scale, then bytes j with element j low and element j+16 high.
    """
    out = np.empty((*scales.shape, BLOCK_BYTES), np.uint8)
    out[..., 0] = scales
    first, second = blocks[..., :8], blocks[..., 8:]  # elements 0..15 and 16..31
    out[..., 1::2] = (first & 0x0F) | (second << 4)  # even j
    out[..., 2::2] = (first >> 4) | (second & 0xF0)  # odd j
    return out


def quantize(weights: F32) -> U8:
    """float32 [rows, K], finite -> GGUF blocks uint8 [rows, K/32, 17].

    Each block takes, of two scales, the one with the smaller squared error (equal: the smaller scale): the
    one that puts the largest magnitude into [4, 8), where everything above 6 is clipped, and the next larger
    one, which never clips. Values that already lie on some MXFP4 grid are representable under the first, so
    they convert losslessly. Rounding is to nearest, a tie goes to the smaller magnitude, and zeros are
    positive.
    """
    rows, cols = weights.shape
    flat = weights.reshape(-1, MXFP4_BLOCK)
    out = np.empty((len(flat), BLOCK_BYTES), np.uint8)
    for begin in range(0, len(flat), _CHUNK_BLOCKS):
        chunk = slice(begin, begin + _CHUNK_BLOCKS)
        _quantize_blocks(flat[chunk], out[chunk])
    return out.reshape(rows, cols // MXFP4_BLOCK, BLOCK_BYTES)


def _quantize_blocks(blocks: F32, out: U8) -> None:
    """blocks: float32 [n, 32] -> out: uint8 [n, 17], written in place."""
    magnitude = np.abs(blocks)
    largest = magnitude.max(axis=1)
    # frexp: largest = m * 2**exponent with m in [0.5, 1), so the scale 2**(exponent - 3) puts it into [4, 8).
    low = np.where(largest > 0, np.clip(np.frexp(largest)[1] + 124, 0, MAX_FINITE_SCALE), 0)
    high = np.minimum(low + 1, MAX_FINITE_SCALE)
    codes_low, error_low = _round_to_grid(magnitude, low)
    codes_high, error_high = _round_to_grid(magnitude, high)
    use_high = 4 * error_high < error_low  # errors are in units of each candidate's own scale, squared
    codes = np.where(use_high[:, None], codes_high, codes_low)
    codes |= ((codes != 0) & (blocks < 0)).astype(np.uint8) << 3
    out[:, 0] = np.where(use_high, high, low)
    out[:, 1:] = codes[:, :16] | (codes[:, 16:] << 4)


def _round_to_grid(magnitude: F32, scale: npt.NDArray[np.integer[Any]]) -> tuple[U8, F32]:
    """Nearest 3-bit codes [n, 32] of magnitudes [n, 32] under scale bytes [n], and squared errors [n]."""
    scaled = magnitude * np.ldexp(np.float32(1), 127 - scale)[:, None]
    codes = np.zeros(magnitude.shape, np.uint8)
    for midpoint in _MIDPOINTS:
        codes += scaled > midpoint
    scaled -= MAGNITUDES[codes]
    return codes, np.einsum("nk,nk->n", scaled, scaled)

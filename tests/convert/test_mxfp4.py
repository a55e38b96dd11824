"""MXFP4 repacking is bit-exact, and quantising values on an MXFP4 grid loses nothing."""

from __future__ import annotations

import gguf
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convert import mxfp4

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)


def checkpoint_values(blocks: mxfp4.U8, scales: mxfp4.U8) -> mxfp4.F32:
    """The checkpoint format read literally: low nibble first, adjacent pairs, times 2**(scale - 127)."""
    out = np.empty((*scales.shape, 32), np.float32)
    out[..., 0::2] = E2M1[blocks & 15]
    out[..., 1::2] = E2M1[blocks >> 4]
    return np.ldexp(out, scales.astype(np.int32)[..., None] - 127)


def gguf_values(packed: mxfp4.U8) -> npt.NDArray[np.float32]:
    """float32 [rows, K] of GGUF blocks [rows, K/32, 17], by the gguf package."""
    flat = packed.reshape(len(packed), -1)
    return np.asarray(gguf.quants.dequantize(flat, gguf.GGMLQuantizationType.MXFP4))


def test_repack_keeps_every_value() -> None:
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 256, (7, 3, 16), np.uint8)
    scales = rng.integers(0, 253, (7, 3), np.uint8)
    expected = checkpoint_values(blocks, scales).reshape(7, -1)
    np.testing.assert_array_equal(gguf_values(mxfp4.repack(blocks, scales)), expected)


def test_repack_places_every_nibble() -> None:
    elements = np.arange(32) % 16
    blocks = (elements[0::2] | elements[1::2] << 4).astype(np.uint8)[None]
    packed = mxfp4.repack(blocks, np.array([99], np.uint8))[0]
    assert packed[0] == 99
    np.testing.assert_array_equal(packed[1:] & 15, elements[:16])
    np.testing.assert_array_equal(packed[1:] >> 4, elements[16:])


@given(
    blocks=hnp.arrays(np.uint8, (2, 4, 16)),
    scales=hnp.arrays(np.uint8, (2, 4), elements=st.integers(0, mxfp4.MAX_FINITE_SCALE)),
)
def test_values_on_the_grid_are_lossless(blocks: mxfp4.U8, scales: mxfp4.U8) -> None:
    values = checkpoint_values(blocks, scales).reshape(2, -1)
    np.testing.assert_array_equal(gguf_values(mxfp4.quantize(values)), values)


@given(
    hnp.arrays(np.uint8, (1, 1, 16), elements=st.sampled_from([0x00, 0x01, 0x10, 0x08, 0x80])),
    st.integers(0, 3),
)
def test_smallest_scales_are_lossless(blocks: mxfp4.U8, scale: int) -> None:
    """Blocks of zeros and single smallest magnitudes, where the chosen scale is clipped at 0."""
    values = checkpoint_values(blocks, np.full((1, 1), scale, np.uint8)).reshape(1, -1)
    np.testing.assert_array_equal(gguf_values(mxfp4.quantize(values)), values)


@given(hnp.arrays(np.float32, (3, 64), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_error_is_the_smaller_of_both_scales(values: mxfp4.F32) -> None:
    blocks = values.reshape(-1, 32).astype(np.float64)
    packed = mxfp4.quantize(values)
    chosen = ((gguf_values(packed).reshape(-1, 32) - blocks) ** 2).sum(axis=1)
    largest = np.abs(blocks).max(axis=1)
    with np.errstate(divide="ignore"):
        exponent = np.where(largest > 0, np.floor(np.log2(np.maximum(largest, 2.0**-149))) - 2, -127)
    best = np.inf
    for candidate in (np.clip(exponent, -127, 125), np.clip(exponent + 1, -127, 125)):
        grid = np.ldexp(E2M1.astype(np.float64), candidate.astype(int)[:, None])
        error = (np.abs(blocks[:, :, None] - grid[:, None, :]).min(axis=2) ** 2).sum(axis=1)
        best = np.minimum(best, error)
    np.testing.assert_allclose(chosen, best, rtol=1e-5)


def test_quantize_is_no_worse_than_the_gguf_package() -> None:
    values = np.random.default_rng(2).standard_normal((64, 256)).astype(np.float32)
    theirs = gguf.quants.quantize(values, gguf.GGMLQuantizationType.MXFP4)
    theirs_error = ((gguf.quants.dequantize(theirs, gguf.GGMLQuantizationType.MXFP4) - values) ** 2).sum()
    ours_error = ((gguf_values(mxfp4.quantize(values)) - values) ** 2).sum()
    assert ours_error < 0.99 * theirs_error


@pytest.mark.parametrize("midpoint", [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0])
def test_ties_round_to_the_smaller_magnitude(midpoint: float) -> None:
    values = np.zeros((1, 32), np.float32)
    values[0, :3] = 6, midpoint, -midpoint  # the 6 pins the scale to 1
    expected = max(m for m in (0, 0.5, 1, 1.5, 2, 3, 4) if m < midpoint)
    np.testing.assert_array_equal(gguf_values(mxfp4.quantize(values))[0, :3], [6, expected, -expected])


def test_large_inputs_are_quantised_in_pieces() -> None:
    values = np.random.default_rng(3).standard_normal((5000, 64)).astype(np.float32)
    whole = mxfp4.quantize(values)
    np.testing.assert_array_equal(whole[4999], mxfp4.quantize(values[4999:])[0])
    np.testing.assert_array_equal(whole[2100:2200], mxfp4.quantize(values[2100:2200]))

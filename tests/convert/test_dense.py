"""Dense formats against the gguf package and numpy."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from gguf.quants import quantize
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convert import dense
from convert.mxfp4 import F32

FLOATS = hnp.arrays(
    np.float32, (2, 64), elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)
)
HALVES = hnp.arrays(np.float32, (2, 64), elements=st.floats(-60000, 60000, width=32, allow_subnormal=False))


@given(HALVES)
def test_q8_0_matches_gguf_bit_for_bit(values: F32) -> None:
    scale = np.abs(values).reshape(-1, 32).max(axis=1) / np.float32(127)
    values[np.repeat(scale < 1e-37, 32).reshape(values.shape)] = 0  # gguf divides by a subnormal there
    expected = quantize(values, gguf.GGMLQuantizationType.Q8_0)
    np.testing.assert_array_equal(dense.encode_q8_0(values), expected.reshape(-1))


def test_q8_0_of_a_block_too_small_for_a_scale_is_zero() -> None:
    values = np.full((1, 32), 1e-40, np.float32)
    np.testing.assert_array_equal(dense.encode_q8_0(values), np.zeros(34, np.uint8))


@given(FLOATS)
def test_bf16_matches_gguf_bit_for_bit(values: F32) -> None:
    expected = quantize(values, gguf.GGMLQuantizationType.BF16)
    np.testing.assert_array_equal(dense.encode_bf16(values), expected.reshape(-1))


@given(hnp.arrays(np.uint16, 64, elements=st.integers(0, 65535).filter(lambda bits: bits & 0x7F80 != 0x7F80)))
def test_bf16_copies_are_raw(bits: np.ndarray[tuple[int], np.dtype[np.uint16]]) -> None:
    raw = bits.view(np.uint8)
    np.testing.assert_array_equal(dense.encode_bf16(dense.to_float32(raw, "BF16")), raw)


@given(HALVES)
def test_f16_rounds_like_numpy(values: F32) -> None:
    assert dense.encode_f16(values).tobytes() == values.astype(np.float16).tobytes()


@pytest.mark.parametrize(("dtype", "kind"), [("F16", np.float16), ("F32", np.float32)])
def test_sources_are_read_exactly(dtype: str, kind: type[np.floating[np.typing.NBitBase]]) -> None:
    values = np.array([0, -1.5, 6e-8, 65504, -0.0], kind)
    np.testing.assert_array_equal(dense.to_float32(values.view(np.uint8), dtype), values.astype(np.float32))

"""MXFP4 rounding in PyTorch, equal to the converter's."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_BLOCK: Final = 32
_MAX_SCALE: Final = 252
_MAGNITUDES: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_MIDPOINTS: Final = (0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)


def round_to_mxfp4(weights: Tensor) -> Tensor:
    """float32 [..., K] -> the same, on the MXFP4 grid, in blocks of 32 along the last dimension.

    Equal to what gptoss_gguf.convert.mxfp4.quantize stores; magnitudes below 2**-120 become zero here.
    """
    blocks = weights.reshape(-1, _BLOCK)
    magnitude = blocks.abs()
    largest = magnitude.amax(dim=1, keepdim=True)
    exponent = torch.frexp(largest).exponent
    low = torch.where(largest > 0, (exponent + 124).clamp(0, _MAX_SCALE), 0)
    high = (low + 1).clamp(max=_MAX_SCALE)
    rounded_low, error_low = _round(magnitude, low)
    rounded_high, error_high = _round(magnitude, high)
    use_high = 4 * error_high < error_low  # each error is in units of its own scale, squared
    value = torch.where(use_high, rounded_high * _power_of_two(high), rounded_low * _power_of_two(low))
    return torch.where(blocks < 0, -value, value).reshape(weights.shape)


def _power_of_two(scale: Tensor) -> Tensor:
    """2**(scale - 127) from the bits of a float32: exact on every device, which pow() is not."""
    return (scale << 23).to(torch.int32).view(torch.float32)


def _round(magnitude: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest magnitudes in units of the scale, [n, 32], and the squared error of each block, [n, 1]."""
    scaled = magnitude * _power_of_two(254 - scale)
    rounded = torch.zeros_like(scaled)
    for midpoint, low, high in zip(_MIDPOINTS, _MAGNITUDES, _MAGNITUDES[1:], strict=False):
        rounded = rounded + torch.where(scaled > midpoint, high - low, 0.0)  # on a midpoint: the smaller
    return rounded, (scaled - rounded).square().sum(dim=1, keepdim=True)

"""The GGUF files of the comparison: golden models as converted, and variants of them."""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from pathlib import Path
from typing import Final

from convert import Dense, convert_checkpoint
from convert.synthetic_weights import Experts
from tests.fixtures.models import build
from tests.parity.gguf_types.gguf_edit import as_f32, matrices, read_gguf, replaced

_THETA: Final = 150000.0
_ORIGINAL_CONTEXT: Final = 4096
# llama.cpp rounds YaRN's correction range 8.093 .. 17.398 outwards to these whole dimensions.
_ROUNDED_RANGE: Final = (8, 18)
_INSIDE: Final = 1e-4  # more than the rounding errors of a logarithm, which could tip it over the border


class GoldenFiles:
    """Files made on demand, each once, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def converted(self, name: str, dense: Dense = "q8_0", experts: Experts = "mxfp4") -> Path:
        """A golden model as our converter writes it."""

        def write(path: Path) -> None:
            checkpoint = self._folder / f"{name}-{experts}"
            if not checkpoint.exists():
                build(name, experts, checkpoint)
            convert_checkpoint(checkpoint, path, dense=dense)

        return self._once(f"{name}-{experts}-{dense}.gguf", write)

    def float32(self, source: Path) -> Path:
        """The same weights with every matrix stored as F32, so that nobody rounds activations to use them."""

        def write(path: Path) -> None:
            contents = read_gguf(source)
            replaced(contents, matrices(contents), as_f32).write(path)

        return self._once(f"{source.stem}-f32.gguf", write)

    def whole_yarn_range(self, source: Path) -> Path:
        """The same weights, and a YaRN correction range that llama.cpp's rounding leaves as it is."""

        def write(path: Path) -> None:
            contents = read_gguf(source)
            low, high = _ROUNDED_RANGE
            contents.set("gpt-oss.rope.scaling.yarn_beta_fast", "f32", _rotations(low + _INSIDE))
            contents.set("gpt-oss.rope.scaling.yarn_beta_slow", "f32", _rotations(high - _INSIDE))
            contents.write(path)

        return self._once(f"{source.stem}-whole-yarn.gguf", write)

    def _once(self, name: str, write: Callable[[Path], None]) -> Path:
        path = self._folder / name
        if not path.exists():
            write(path)
        return path


def _rotations(pair: float) -> float:
    """How often the given pair of dimensions turns over the original context."""
    wavelength: float = 2 * pi * _THETA ** (2 * pair / 64)
    return _ORIGINAL_CONTEXT / wavelength

"""Builds the golden models once per session: checkpoint, then GGUF, through the product's own converter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from gptoss_gguf.convert import convert_checkpoint

from tests.fixtures.models import build

Experts = Literal["mxfp4", "bf16"]
GoldenGguf = Callable[[str, Experts], Path]


@pytest.fixture(scope="session")
def golden_gguf(tmp_path_factory: pytest.TempPathFactory) -> GoldenGguf:
    """(model name, kind of experts) -> path of its GGUF, with bf16 dense weights: nothing is rounded."""
    folder = tmp_path_factory.mktemp("goldens")

    def path_of(name: str, experts: Experts) -> Path:
        out = folder / f"{name}-{experts}.gguf"
        if not out.exists():
            checkpoint = folder / f"{name}-{experts}"
            build(name, experts, checkpoint)
            convert_checkpoint(checkpoint, out, dense="bf16")
        return out

    return path_of

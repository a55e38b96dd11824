"""Makes the checkout importable (`convert`, `tests.fixtures`) and builds small checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from convert.synthetic import TINY, write_synthetic_checkpoint  # noqa: E402


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The tiny preset as an MXFP4 checkpoint folder, free to be damaged."""
    folder = tmp_path / "tiny"
    write_synthetic_checkpoint(folder, TINY)
    return folder


@pytest.fixture
def tiny_bf16(tmp_path: Path) -> Path:
    """The same model with unquantised experts."""
    folder = tmp_path / "tiny-bf16"
    write_synthetic_checkpoint(folder, TINY, experts="bf16")
    return folder

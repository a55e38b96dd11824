"""Builds the golden models once per session: checkpoint, then GGUF, through the product's own converter."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import pytest
from gptoss_gguf.convert import Dense, convert_checkpoint

from tests.fixtures.models import build

Experts = Literal["mxfp4", "bf16"]


class GoldenGguf(Protocol):
    """(model name, kind of experts, type of dense weights) -> path of its GGUF; bf16 rounds nothing."""

    def __call__(self, name: str, experts: Experts, dense: Dense = "bf16") -> Path: ...


@pytest.fixture(scope="session")
def golden_gguf(tmp_path_factory: pytest.TempPathFactory) -> GoldenGguf:
    folder = tmp_path_factory.mktemp("goldens")

    def path_of(name: str, experts: Experts, dense: Dense = "bf16") -> Path:
        checkpoint = folder / f"{name}-{experts}"
        out = folder / f"{name}-{experts}-{dense}.gguf"
        if not checkpoint.exists():
            build(name, experts, checkpoint)
        if not out.exists():
            convert_checkpoint(checkpoint, out, dense=dense)
        return out

    return path_of

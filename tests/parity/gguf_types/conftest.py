"""Small models to take apart, and where variants of them go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from convert import convert_checkpoint
from convert.synthetic import SyntheticShape, write_synthetic_checkpoint
from tests.parity.gguf_types.gguf_edit import Gguf, read_gguf
from tests.parity.llama_cpp.worker import Llama, require_folder

# "wide": every matrix has rows of whole 256-element k-quant blocks. "narrow": like the real models, only
# attn_output has them, and a quantiser falls back to blocks of 32 elsewhere.
SHAPES: Final = {
    "wide": SyntheticShape(n_layers=2, experts=5, hidden=256, ff=256, heads=8, kv_heads=1, vocab_size=288),
    "narrow": SyntheticShape(n_layers=2, experts=4, hidden=96, ff=64, heads=16, kv_heads=2, vocab_size=320),
}
N_TOKENS: Final = 40


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Gguf]:
    """The models with bf16 dense tensors and MXFP4 experts, by name; copy before changing one."""
    folder = tmp_path_factory.mktemp("gguf-types")
    result = {}
    for seed, (name, shape) in enumerate(SHAPES.items()):
        write_synthetic_checkpoint(folder / name, shape, seed=seed)
        convert_checkpoint(folder / name, folder / f"{name}.gguf", dense="bf16")
        result[name] = read_gguf(folder / f"{name}.gguf")
    return result


@pytest.fixture(scope="session")
def ids() -> list[int]:
    """A prompt, within the smaller vocabulary."""
    return list(map(int, np.random.default_rng(7).integers(0, 288, N_TOKENS)))


@pytest.fixture(scope="session")
def llama(pytestconfig: pytest.Config) -> Iterator[Llama]:
    with Llama(require_folder(pytestconfig)) as library:
        yield library


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes the file that it opens."""
    return tmp_path / "model.gguf"

"""The demo model's tokenizer, from the published vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest
from gptoss_gguf.tokenizer import Tokenizer

from training.vocabulary import load_tokenizer, shared_folder


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    path = shared_folder() / "data/o200k_base.tiktoken"
    if not path.is_file():
        pytest.skip(f"needs {path} (set GPTOSS_SHARED)")
    return load_tokenizer()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without --training the modules that import PyTorch are not even looked at."""
    needs_torch = collection_path.name in ("test_grow.py", "test_training.py")
    return True if needs_torch and not config.getoption("--training") else None

"""Split files, named as llama.cpp names them: the same logits as the one file; damaged sets are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gptoss_gguf import LLM
from gptoss_gguf.errors import ModelFileError

from tests.parity.gguf_types.gguf_edit import Gguf
from tests.parity.gguf_types.reference import reference_logits
from tests.parity.llama_cpp.worker import Llama


@pytest.mark.parametrize("n_parts", [1, 2, 5])
def test_split_equals_whole(models: dict[str, Gguf], ids: list[int], tmp_path: Path, n_parts: int) -> None:
    contents = models["narrow"]
    parts = contents.write_split(tmp_path, "model", n_parts)
    assert len(parts) == n_parts
    expected = reference_logits(contents.write(tmp_path / "whole.gguf"), ids)
    np.testing.assert_array_equal(reference_logits(parts[0], ids), expected)


def test_split_loads_in_llama_cpp(
    llama: Llama, models: dict[str, Gguf], ids: list[int], tmp_path: Path
) -> None:
    """These parts are what llama.cpp takes for a split file, too."""
    contents = models["narrow"]
    parts = contents.write_split(tmp_path, "model", 3)
    whole = contents.write(tmp_path / "whole.gguf")
    np.testing.assert_array_equal(llama.logits(parts[0], ids), llama.logits(whole, ids))


def test_missing_part_is_named(models: dict[str, Gguf], tmp_path: Path) -> None:
    parts = models["narrow"].write_split(tmp_path, "model", 3)
    parts[1].unlink()
    with pytest.raises(ModelFileError, match="00002-of-00003"):
        LLM(str(parts[0]), device="reference")


def test_part_of_another_model_is_refused(models: dict[str, Gguf], tmp_path: Path) -> None:
    parts = models["narrow"].write_split(tmp_path, "model", 3)
    others = models["wide"].write_split(tmp_path, "other", 2)
    parts[2].write_bytes(others[1].read_bytes())
    with pytest.raises(ModelFileError, match="00003-of-00003"):
        LLM(str(parts[0]), device="reference")

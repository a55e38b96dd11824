"""Logits of a file, from our float32 reference device unless another is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gptoss_gguf import LLM

F32 = npt.NDArray[np.float32]


def reference_logits(path: Path, ids: Sequence[int], device: str = "reference") -> F32:
    """Logits of every position, float32 [n, vocab]."""
    with LLM(str(path), device=device, n_ctx=len(ids) + 64, n_threads=2) as llm:
        return llm.logits(ids)


def relative_errors(ours: F32, theirs: F32) -> npt.NDArray[np.float64]:
    """||ours - theirs|| / ||theirs|| of the logits of each position, [n]."""
    difference = np.linalg.norm(ours.astype(np.float64) - theirs, axis=1)
    errors: npt.NDArray[np.float64] = difference / np.linalg.norm(theirs.astype(np.float64), axis=1)
    return errors

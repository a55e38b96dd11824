"""Prints the README's table: how far the reference device is from Hugging Face transformers.

    python scripts/measure_exactness.py

The goldens are transformers' logits (float32, eager attention); scripts/make_goldens.py made them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gptoss_gguf import LLM

from convert import convert_checkpoint
from tests.fixtures.models import MODELS, PROMPT_LENGTHS, Golden, build, goldens


def worst_error(llm: LLM, golden: Golden) -> float:
    """Largest ||ours - theirs|| / ||theirs|| over the positions whose full rows are stored."""
    ours = llm.logits(golden.ids.tolist())[golden.positions].astype(np.float64)
    theirs = golden.rows.astype(np.float64)
    return float((np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)).max())


def measure(name: str, folder: Path) -> list[float]:
    """The worst error of a golden model for every prompt length."""
    build(name, "mxfp4", folder / name)
    path = folder / f"{name}.gguf"
    convert_checkpoint(folder / name, path, dense="bf16")
    with LLM(str(path), device="reference") as llm:
        return [worst_error(llm, golden) for golden in goldens(name)]


def main() -> None:
    """Prints the table in Markdown."""
    print(f"| model | {' | '.join(f'{length:,} tokens' for length in PROMPT_LENGTHS)} |")
    print("|---" * (len(PROMPT_LENGTHS) + 1) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name, model in MODELS.items():
            shape = model.shape
            label = f"{shape.n_layers} layers, {shape.experts} experts, width {shape.hidden}"
            print(f"| {label} | {' | '.join(f'{error:.1e}' for error in measure(name, Path(folder)))} |")


if __name__ == "__main__":
    main()

"""Contract 1: the reference device against Hugging Face transformers in float32, at every position.

The stored goldens come from scripts/make_goldens.py. Relative error of a row of logits:
|ours - theirs| / |theirs|.
"""

from __future__ import annotations

import numpy as np
import pytest
from gptoss_gguf import LLM

from tests.fixtures.models import MODELS, goldens

from .conftest import Experts, GoldenGguf

# The contract is 1e-4. Measured: 5e-6 at most; a wrong YaRN, window or clamp shows far above this.
LIMIT = 2e-5


@pytest.mark.parametrize("experts", ["mxfp4", "bf16"])
@pytest.mark.parametrize("name", MODELS)
def test_logits_match_transformers(
    name: str, experts: Experts, golden_gguf: GoldenGguf, record_property: pytest.RecordProperty
) -> None:
    with LLM(str(golden_gguf(name, experts)), device="reference") as llm:
        for golden in goldens(name):
            ours = llm.logits(golden.ids.tolist())
            rows = ours[golden.positions]
            errors = np.linalg.norm(rows - golden.rows, axis=1) / np.linalg.norm(golden.rows, axis=1)
            record_property(f"relative error at {len(golden.ids)} tokens", f"{errors.max():.1e}")
            assert errors.max() < LIMIT

            # The rows that are not stored whole: everything about them that is stored.
            scale = float(np.abs(golden.rows).max())
            logsumexp = np.logaddexp.reduce(ours.astype(np.float64), axis=1)
            assert np.abs(logsumexp - golden.logsumexp).max() < LIMIT * scale
            assert np.abs(ours[:, golden.fixed_ids] - golden.fixed).max() < LIMIT * scale
            decided = golden.top2_gap > 2 * LIMIT * scale
            assert decided.mean() > 0.99
            np.testing.assert_array_equal(ours.argmax(axis=1)[decided], golden.argmax[decided])


@pytest.mark.parametrize("name", MODELS)
def test_requantised_experts_are_lossless(name: str, golden_gguf: GoldenGguf) -> None:
    """bf16 experts whose values lie on the MXFP4 grid give the very same model."""
    tokens = next(goldens(name)).ids.tolist()
    with LLM(str(golden_gguf(name, "mxfp4"))) as ours, LLM(str(golden_gguf(name, "bf16"))) as again:
        np.testing.assert_array_equal(ours.logits(tokens), again.logits(tokens))

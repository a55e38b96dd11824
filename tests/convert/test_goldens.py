"""The stored goldens are complete and consistent with themselves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fixtures.models import GOLDENS, MODELS, PROMPT_LENGTHS, goldens


@pytest.mark.parametrize("name", MODELS)
def test_goldens(name: str) -> None:
    vocab = MODELS[name].shape.vocab_size
    assert vocab is not None
    for golden, n in zip(goldens(name), PROMPT_LENGTHS, strict=True):
        rows = min(n, 64)
        assert (
            golden.ids.shape == golden.argmax.shape == golden.logsumexp.shape == golden.top2_gap.shape == (n,)
        )
        assert 0 <= golden.ids.min() <= golden.ids.max() < vocab
        assert golden.rows.shape == (len(golden.positions), vocab)
        assert rows - 12 <= len(golden.positions) <= rows  # a landmark may coincide with an evenly spread row
        assert golden.positions[-1] == n - 1
        assert golden.fixed.shape == (n, 8)
        np.testing.assert_array_equal(golden.rows.argmax(axis=1), golden.argmax[golden.positions])
        np.testing.assert_array_equal(golden.rows[:, golden.fixed_ids], golden.fixed[golden.positions])
        best = np.sort(golden.rows, axis=1)
        np.testing.assert_array_equal(best[:, -1] - best[:, -2], golden.top2_gap[golden.positions])
        total = np.log(np.exp(golden.rows.astype(np.float64)).sum(axis=1))
        np.testing.assert_allclose(total, golden.logsumexp[golden.positions], rtol=1e-6)
        assert golden.rows.std() > 2  # logits are not flat


def test_goldens_are_small() -> None:
    assert sum(path.stat().st_size for path in GOLDENS.iterdir()) < 4_000_000

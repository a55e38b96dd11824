"""How far logits are from the truth: Kullback-Leibler divergence and agreement of the best token."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]


class Divergence(NamedTuple):
    """kl: mean over positions of KL(truth || ours), in nats; same_best: share of positions."""

    kl: float
    same_best: float


def divergence(truth: F32, ours: F32) -> Divergence:
    """truth, ours: logits, float32 [n, vocab]."""
    p, q = _log_softmax(truth), _log_softmax(ours)
    same = truth.argmax(axis=1) == ours.argmax(axis=1)
    return Divergence(float((np.exp(p) * (p - q)).sum(axis=1).mean()), float(same.mean()))


def _log_softmax(rows: F32) -> npt.NDArray[np.float64]:
    wide = rows.astype(np.float64)
    result: npt.NDArray[np.float64] = wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)
    return result

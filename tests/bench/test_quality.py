"""How far from float32: the measure, and the flag."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gptoss_gguf.bench.quality import divergence, measure_quality
from gptoss_gguf.bench.setup import Setup
from gptoss_gguf.errors import RequestError

from .conftest import Bench
from .test_command import cells


def test_divergence() -> None:
    """By hand: P = (1/2, 1/2), Q = (1/4, 3/4): KL = ln(2) / 2 + ln(2/3) / 2."""
    truth = np.zeros((130, 2), np.float32)
    ours = np.log(np.array([[0.25, 0.75]], np.float32)).repeat(130, axis=0)
    found = divergence(truth, ours + 1)
    assert found.kl == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3), rel=1e-5)
    assert (found.same_best, found.n_tokens) == (0.0, 130)
    same = divergence(ours, ours)
    assert (same.kl, same.same_best) == (0.0, 1.0)


def test_the_flag(bench: Bench, tiny: Path) -> None:
    args = ("-p", "4", "-n", "0", "--quality", "300", "--device", "cpu")
    [fields] = json.loads(bench(*args, "-o", "json"))
    quality = fields["quality"]
    assert quality["n_tokens"] == 300
    assert 0 < quality["kl"] < 0.01
    assert 0.9 < quality["same_best"] <= 1
    [row] = cells(bench(*args), "compared with")
    assert row[0] == "300 tokens"
    assert float(row[1].rstrip("%")) == pytest.approx(100 * quality["same_best"], abs=0.01)
    seen: list[tuple[int, int]] = []
    setup = Setup("cpu", n_threads=1)
    again = measure_quality(tiny, setup, 300, lambda done, total: seen.append((done, total)))
    assert again.kl == quality["kl"]  # the same text, the same bits
    in_bf16 = measure_quality(tiny, replace(setup, compute="bf16"), 300, lambda done, total: None)
    assert 0 < in_bf16.kl < again.kl
    assert seen == sorted(seen)
    assert seen[-1] == (600, 600)


def test_the_reference_is_not_compared_with_itself(bench: Bench) -> None:
    with pytest.raises(RequestError, match="choose another --device"):
        bench("--quality", "5", "--device", "reference")

"""What the fast device's rounding costs, next to what llama.cpp's costs: each against its own float32."""

from __future__ import annotations

import numpy as np
import pytest
from gptoss_gguf import LLM
from gptoss_gguf.bench.quality import divergence

from convert import Dense
from tests.fixtures.models import MODELS, goldens
from tests.parity.gguf_types.reference import F32, reference_logits
from tests.parity.llama_cpp.files import GoldenFiles
from tests.parity.llama_cpp.worker import Llama


@pytest.mark.parametrize("dense", ["q8_0", "bf16"])
def test_no_further_from_float32_than_llama_cpp(llama: Llama, files: GoldenFiles, dense: Dense) -> None:
    ours: list[F32] = []
    our_truth: list[F32] = []
    theirs: list[F32] = []
    their_truth: list[F32] = []
    for name in MODELS:
        path = files.converted(name, dense)
        plain = files.float32(path)
        for golden in goldens(name):
            ids = golden.ids.tolist()
            if len(ids) not in (330, 1150):
                continue
            with LLM(str(path), device="cpu") as llm:
                ours.append(padded(llm.logits(ids)))
            our_truth.append(padded(reference_logits(path, ids)))
            theirs.append(padded(llama.logits(path, ids)))
            their_truth.append(padded(llama.logits(plain, ids, plain=True)))
    us = divergence(np.concatenate(our_truth), np.concatenate(ours))
    them = divergence(np.concatenate(their_truth), np.concatenate(theirs))
    print(f"{dense}: ours {us}, theirs {them}")
    assert us.kl <= them.kl
    # Counted, so up to two standard deviations are chance.
    chance = 2 * np.sqrt(them.same_best * (1 - them.same_best) / sum(map(len, theirs)))
    assert us.same_best >= them.same_best - chance


def padded(logits: F32) -> F32:
    """To the width of the widest vocabulary, with tokens that nobody would take."""
    return np.pad(logits, ((0, 0), (0, 352 - logits.shape[1])), constant_values=-1e4)

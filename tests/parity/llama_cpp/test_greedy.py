"""Files as people use them, with llama.cpp's default settings: same greedy tokens, bounded logit errors.

llama.cpp multiplies quantised weights with activations rounded to 8 bits, and rounds K, V and attention to
half precision; our reference device does not round. Its noise is measured on llama.cpp alone, as the largest
change of any logit when the same weights are stored as F32 and computed without rounding. What its rounding
of YaRN's range changes is measured on our engine alone, with the file with the whole range. Each of two
logits may move by the sum of both, so a top-2 gap of more than twice the sum must give the same token.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from gptoss_gguf import LLM, SamplingParams

from convert import Dense
from tests.fixtures.models import MODELS, goldens
from tests.parity.gguf_types.reference import F32, reference_logits, relative_errors
from tests.parity.llama_cpp.files import GoldenFiles
from tests.parity.llama_cpp.worker import Llama

N_GENERATED: Final = 48
DENSE: Final[tuple[Dense, ...]] = ("q8_0", "bf16", "f16")
# Number of tokens: median and largest relative error of a position, about twice what was measured. The
# largest ones are positions where rounding made the router choose another expert.
ERROR_BOUNDS: Final = {
    7: (0.06, 0.08),
    150: (0.05, 0.35),
    330: (0.05, 0.40),
    1150: (0.05, 0.60),
    4300: (0.05, 0.15),
}


def largest_changes(a: F32, b: F32) -> F32:
    """The largest change of any logit at each position, [n]."""
    result: F32 = np.abs(a - b).max(axis=1)
    return result


def top2_gaps(logits: F32) -> F32:
    best = np.partition(logits, -2, axis=1)
    return best[:, -1] - best[:, -2]


@pytest.mark.parametrize("dense", DENSE)
@pytest.mark.parametrize("name", MODELS)
def test_greedy_tokens_agree(llama: Llama, files: GoldenFiles, name: str, dense: Dense) -> None:
    """Both are forced along our greedy tokens, which llama.cpp decodes one by one."""
    path = files.converted(name, dense)
    plain, whole = files.float32(path), files.whole_yarn_range(path)
    decided, same = [], []
    for golden in list(goldens(name))[: 4 if dense == "q8_0" else 3]:
        prompt = golden.ids.tolist()
        with LLM(str(path), device="reference", n_ctx=len(prompt) + N_GENERATED) as llm:
            params = SamplingParams(temperature=0, max_tokens=N_GENERATED, ignore_eos=True)
            ids = prompt + list(llm.generate(prompt, params).token_ids)
            assert len(ids) == len(prompt) + N_GENERATED
            ours = llm.logits(ids[:-1])
        np.testing.assert_array_equal(ours[len(prompt) - 1 :].argmax(axis=1), ids[len(prompt) :])
        theirs = llama.logits(path, ids[:-1], n_prefill=len(prompt))
        noise = largest_changes(theirs, llama.logits(plain, ids[:-1], plain=True))
        yarn = largest_changes(ours, reference_logits(whole, ids[:-1]))
        decided.append(top2_gaps(ours) > 2 * (noise + yarn))
        same.append(ours.argmax(axis=1) == theirs.argmax(axis=1))
    is_decided, is_same = np.concatenate(decided), np.concatenate(same)
    print(
        f"{name} {dense}: {len(is_same)} positions, {is_decided.mean():.1%} with a decisive gap, of these "
        f"{is_same[is_decided].mean():.2%} the same token; of all {is_same.mean():.1%}"
    )
    assert is_same[is_decided].all()
    assert is_decided.mean() >= 0.55
    assert is_same.mean() >= 0.9


@pytest.mark.parametrize("name", MODELS)
def test_relative_errors_are_bounded_at_every_context_length(
    llama: Llama, files: GoldenFiles, name: str
) -> None:
    path = files.converted(name)
    for golden in list(goldens(name))[: 5 if name == "e4" else 4]:
        ids = golden.ids.tolist()
        errors = relative_errors(llama.logits(path, ids), reference_logits(path, ids))
        print(f"{name}, {len(ids)} tokens: median {np.median(errors):.1e}, max {errors.max():.1e}")
        median, largest = ERROR_BOUNDS[len(ids)]
        assert np.median(errors) <= median
        assert errors.max() <= largest

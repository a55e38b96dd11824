"""Contract 2: the logits of a token are the same bits however and beside whatever it is computed."""

from __future__ import annotations

import numpy as np
import pytest
from gptoss_gguf import LLM, SamplingParams, _native
from gptoss_gguf.output import Output

from tests.fixtures.models import Golden, goldens

from .conftest import Dense, GoldenGguf

MODEL = "e8"
# Devices, with the ways to compute of those that have several.
WAYS = [{"device": device} for device in _native.devices()] + [{"device": "cpu", "compute": "bf16"}]
each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way.values()))


def golden_of_length(n: int) -> Golden:
    return next(golden for golden in goldens(MODEL) if len(golden.ids) == n)


@pytest.mark.parametrize("n_tokens", [330, 1150])
@pytest.mark.parametrize("dense", ["bf16", "q8_0"])
@each_way
def test_chunking_and_threads(
    way: dict[str, str], dense: Dense, n_tokens: int, golden_gguf: GoldenGguf
) -> None:
    path = str(golden_gguf(MODEL, "mxfp4", dense))
    tokens = golden_of_length(n_tokens).ids.tolist()
    with LLM(path, **way, n_batch=n_tokens, n_threads=1) as llm:
        expected = llm.logits(tokens)
    for n_batch in (1, 7, 64, n_tokens):
        for n_threads in (1, 2):
            with LLM(path, **way, n_batch=n_batch, n_threads=n_threads) as llm:
                assert np.array_equal(llm.logits(tokens), expected), (n_batch, n_threads)


@pytest.mark.parametrize("n_tokens", [330, 1150])
@each_way
def test_decoding_equals_prefill(way: dict[str, str], n_tokens: int, golden_gguf: GoldenGguf) -> None:
    """What was decoded token by token, prefilled and continued: the same tokens and log-probabilities."""
    n_generated = 40
    prompt = golden_of_length(n_tokens).ids.tolist()[: n_tokens - n_generated]
    with LLM(str(golden_gguf(MODEL, "mxfp4", "q8_0")), **way) as llm:
        whole = llm.generate(
            prompt, SamplingParams(max_tokens=n_generated, seed=5, logprobs=5, ignore_eos=True)
        )
        for n_done in (1, 7, n_generated - 1):
            resumed = llm.generate(
                [*prompt, *whole.token_ids[:n_done]],
                SamplingParams(max_tokens=n_generated - n_done, seed=5, logprobs=5, ignore_eos=True),
            )
            assert resumed.token_ids == whole.token_ids[n_done:]
            assert resumed.logprobs == whole.logprobs[n_done:]


@each_way
def test_alone_or_in_company(way: dict[str, str], golden_gguf: GoldenGguf) -> None:
    """Sampled text of eight prompts: one by one, all at once, and in tiny steps."""
    path = str(golden_gguf(MODEL, "mxfp4", "q8_0"))
    tokens = golden_of_length(1150).ids.tolist()
    prompts = [tokens[: 3 + 40 * i] for i in range(8)]
    params = SamplingParams(max_tokens=30, seed=11, logprobs=3, ignore_eos=True)
    with LLM(path, **way) as llm:
        alone: list[Output] = [llm.generate(prompt, params) for prompt in prompts]
        together = llm.generate(prompts, params)
    with LLM(path, **way, n_batch=13) as llm:
        in_small_steps = llm.generate(prompts, params)
    for one, company, small in zip(alone, together, in_small_steps, strict=True):
        assert one.token_ids == company.token_ids == small.token_ids
        assert one.logprobs == company.logprobs == small.logprobs


def test_completions_of_one_prompt_differ_and_repeat(golden_gguf: GoldenGguf) -> None:
    prompt = golden_of_length(150).ids.tolist()
    params = SamplingParams(max_tokens=20, seed=3, n=4, ignore_eos=True)
    with LLM(str(golden_gguf(MODEL, "mxfp4"))) as llm:
        first = [output.token_ids for output in llm.generate(prompt, params)]
        again = [output.token_ids for output in llm.generate(prompt, params)]
    assert first == again
    assert len({tuple(ids) for ids in first}) == 4

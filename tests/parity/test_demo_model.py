"""The demo model writes what it writes in transformers: greedy answers to 200 held-out prompts."""

from __future__ import annotations

import pytest
from gptoss_gguf import LLM, SamplingParams

from tests.fixtures.demo import MAX_NEW_TOKENS, N_PROMPTS, demo_goldens


@pytest.mark.parametrize("device", ["reference"])
def test_same_greedy_answers_as_transformers(device: str) -> None:
    goldens = demo_goldens()
    assert len(goldens) == N_PROMPTS
    with LLM("gpt-oss-demo", device=device, n_ctx=2048) as llm:
        params = SamplingParams(temperature=0, max_tokens=MAX_NEW_TOKENS)
        outputs = llm.generate([prompt for prompt, _ in goldens], params)
    same = [list(output.token_ids) == answer for output, (_, answer) in zip(outputs, goldens, strict=True)]
    print(f"{device}: {sum(same)} of {len(same)} answers are the same")
    assert sum(same) >= 0.95 * N_PROMPTS

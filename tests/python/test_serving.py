"""What the engine keeps, shares and guesses, seen from Python: it shows in counts, never in what is said."""

import subprocess
import sys
from pathlib import Path

import pytest
from gptoss_gguf import LLM, RequestError, SamplingParams

TEXT = "The quick brown fox jumps over the lazy dog. " * 40
GREEDY = SamplingParams(temperature=0, max_tokens=24, ignore_eos=True, logprobs=2)


def test_a_known_beginning_is_not_computed_again(model: str) -> None:
    with LLM(model, n_ctx=2048, prefix_cache=False) as plain, LLM(model, n_ctx=2048) as llm:
        expected = plain.generate(TEXT, GREEDY)
        first, second = llm.generate(TEXT, GREEDY), llm.generate(TEXT, GREEDY)
        assert first == second == expected
        assert (expected.usage.cached_tokens, first.usage.cached_tokens) == (0, 0)
        assert second.usage.cached_tokens == second.usage.prompt_tokens - 1
        longer = TEXT + expected.text + " What then?"
        assert llm.generate(longer, GREEDY) == plain.generate(longer, GREEDY)
        stats = llm.stats()
        assert stats.n_cached_tokens >= 2 * second.usage.cached_tokens
        assert stats.n_pages_used == 0
        assert stats.n_pages_cached > 0


def test_completions_of_one_prompt_share_its_prefill(model: str) -> None:
    with LLM(model, n_ctx=2048) as llm:
        outputs = llm.generate(TEXT, SamplingParams(n=4, seed=3, max_tokens=8, ignore_eos=True))
        assert len({output.token_ids for output in outputs}) == 4
        # The first one computes; the others may come when it is at most sixteen tokens from its end.
        n_prompt = outputs[0].usage.prompt_tokens
        assert llm.stats().n_prompt_tokens <= n_prompt + 3 * 17


def test_another_process_goes_on_from_the_disk(model: str, tmp_path: Path) -> None:
    folder = tmp_path / "prefixes"
    with LLM(model, n_ctx=2048, cache_dir=folder) as llm:
        expected = llm.generate(TEXT, GREEDY)
    program = f"""
from gptoss_gguf import LLM, SamplingParams
with LLM({model!r}, n_ctx=2048, cache_dir={str(folder)!r}, quiet=True) as llm:
    output = llm.generate({TEXT!r}, SamplingParams(temperature=0, max_tokens=24, ignore_eos=True, logprobs=2))
print(output.usage.cached_tokens, list(output.token_ids), [row.logprob for row in output.logprobs])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert expected.logprobs is not None
    said = f"{list(expected.token_ids)} {[row.logprob for row in expected.logprobs]}"
    assert done.stdout.strip() == f"{expected.usage.prompt_tokens - 1} {said}"
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.rglob("*"))


def test_a_disk_that_fails_is_a_warning(model: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with LLM(model, n_ctx=2048, cache_dir=tmp_path / "file" / "folder") as llm:
        with pytest.warns(RuntimeWarning, match="cannot keep prompts in"):
            output = llm.generate(TEXT, GREEDY)
        assert len(output.token_ids) == 24


@pytest.mark.parametrize("bad", ["", 5, b"x"])
def test_bad_folders_are_refused(model: str, bad: object) -> None:
    with pytest.raises(RequestError, match="cache_dir"):
        LLM(model, cache_dir=bad)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="cache_disk_gb"):
        LLM(model, cache_disk_gb=-1)


def test_a_prediction_changes_nothing_but_the_number_of_steps(model: str) -> None:
    params = SamplingParams(temperature=0, max_tokens=200, ignore_eos=True)
    with LLM(model, n_ctx=2048, speculation=False) as plain, LLM(model, n_ctx=2048) as llm:
        expected = plain.generate("Once", params)
        llm.generate(TEXT, params)  # so that it knows how long steps take
        for prediction in (expected.token_ids, expected.text, [5] * 100, "nothing of the kind"):
            guided = SamplingParams(temperature=0, max_tokens=200, ignore_eos=True, prediction=prediction)
            assert llm.generate("Once", guided) == expected


def test_a_timeout_ends_a_completion_as_it_is(model: str) -> None:
    with LLM(model, n_ctx=4096) as llm:
        output = llm.generate(TEXT, SamplingParams(timeout=0.05, ignore_eos=True))
        assert output.finish_reason == "timeout"
        assert output.timing.queue_seconds + output.timing.prefill_seconds + output.timing.decode_seconds < 5


def test_who_waits_is_told_in_the_timing(model: str) -> None:
    with LLM(model, n_ctx=2048, n_parallel=1) as llm:
        first, second = llm.generate(
            ["One", "Two"], SamplingParams(max_tokens=50, temperature=0, ignore_eos=True)
        )
        assert second.timing.queue_seconds >= first.timing.decode_seconds > 0

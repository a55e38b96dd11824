"""What is timed, and what is not."""

import pytest
from gptoss_gguf import _native
from gptoss_gguf.bench.cases import Case
from gptoss_gguf.bench.engine import GptossEngine
from gptoss_gguf.bench.measure import mean_and_deviation, measure
from gptoss_gguf.errors import RequestError


def steps_of(engine: GptossEngine, case: Case, *, profile: bool = False) -> "list[_native.StepReport]":
    return engine.run(case, profile=profile, progress=lambda done: None).steps


@pytest.mark.parametrize(
    ("case", "n_tokens"),
    [
        pytest.param(Case(40, 0, 0), [40], id="prompt"),
        pytest.param(Case(600, 0, 0), [512, 88], id="prompt-of-two-steps"),
        pytest.param(Case(0, 3, 0), [1, 1, 1], id="generation"),
        pytest.param(Case(40, 0, 20), [40], id="prompt-at-a-depth"),
        pytest.param(Case(0, 3, 520), [1, 1, 1], id="generation-at-a-depth"),
    ],
)
def test_the_depth_is_not_timed(engine: GptossEngine, case: Case, n_tokens: list[int]) -> None:
    assert [step.n_tokens for step in steps_of(engine, case)] == n_tokens


@pytest.mark.parametrize("n_depth", [0, 100])
def test_sequences_that_generate_together(engine: GptossEngine, n_depth: int) -> None:
    """Only steps count in which all of them generate."""
    case = Case(0, 20, n_depth, 3)
    steps = steps_of(engine, case, profile=True)
    assert [step.n_tokens for step in steps] == [1] * 20
    macs = [sum(call.macs for call in step.calls if call.name == "logits") for step in steps]
    [alone] = {
        call.macs for step in steps_of(engine, Case(0, 1, 0), profile=True) for call in step.calls
        if call.name == "logits"
    }  # fmt: skip
    assert macs == [3 * alone] * 20


def test_progress_counts_all_tokens(engine: GptossEngine) -> None:
    seen: list[int] = []
    engine.run(Case(0, 3, 20), profile=False, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 23


def test_operations_are_recorded_on_request(engine: GptossEngine) -> None:
    assert all(not step.calls for step in steps_of(engine, Case(0, 2, 0)))
    for step in steps_of(engine, Case(0, 2, 30), profile=True):
        names = [call.name for call in step.calls]
        assert names[:3] == ["embed", "norm", "qkv_rope_append"]
        assert names[-2:] == ["logits", "choose"]
        assert names.count("attend") == 4
        assert step.begin <= step.calls[0].begin <= step.calls[-1].end <= step.end


def test_work_follows_from_the_case(engine: GptossEngine) -> None:
    """Prefill multiplies as much as decoding the same tokens, but for the head, and moves less."""
    prompt = measure(engine, Case(64, 0, 0), 1, progress=lambda done, total: None)
    decoded = measure(engine, Case(0, 64, 0), 1, progress=lambda done, total: None)
    deeper = measure(engine, Case(64, 0, 64), 1, progress=lambda done, total: None)
    assert 0.5 < prompt.n_macs / decoded.n_macs < 1
    assert prompt.n_bytes < decoded.n_bytes / 4
    assert deeper.n_macs > prompt.n_macs


def test_a_row_sums_its_repetitions_up(engine: GptossEngine) -> None:
    seen: list[tuple[int, int]] = []
    row = measure(engine, Case(8, 0, 4), 3, progress=lambda done, total: seen.append((done, total)))
    assert len(row.samples) == len(row.tokens_per_second) == 3
    assert seen == sorted(seen)
    assert seen[-1] == (48, 48)  # three runs and the one that is not timed
    assert row.tokens_per_second == [8 / seconds for seconds in row.seconds]
    total = sum(row.seconds)
    assert row.macs_per_second == pytest.approx(3 * row.n_macs / total)
    assert row.bytes_per_second == pytest.approx(3 * row.n_bytes / total)


def test_mean_and_deviation() -> None:
    assert mean_and_deviation([1.0, 2.0, 3.0]) == (2.0, 1.0)
    assert mean_and_deviation([5.0]) == (5.0, 0.0)


def test_a_case_that_does_not_fit_is_an_error(engine: GptossEngine) -> None:
    with pytest.raises(RequestError, match="the context of 1002"):
        engine.run(Case(4000, 0, 0), profile=False, progress=lambda done: None)

"""Sampling parameters are checked where they are made, and the message says what is allowed."""

import pickle
from typing import Any

import pytest
from gptoss_gguf.errors import RequestError
from gptoss_gguf.params import SamplingParams


def test_defaults_are_the_models_own() -> None:
    params = SamplingParams()
    assert (params.temperature, params.top_p, params.top_k, params.min_p) == (1.0, 1.0, 0, 0.0)
    assert (params.max_tokens, params.seed, params.n, params.logprobs) == (None, None, 1, None)
    assert params.stop_strings == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 1),
        ("temperature", 0),
        ("temperature", 2.5),
        ("top_p", 1),
        ("top_p", 1e-9),
        ("min_p", 0),
        ("top_k", 5),
        ("repetition_penalty", 1.1),
        ("presence_penalty", -2),
        ("frequency_penalty", 2.0),
        ("seed", 2**64 - 1),
        ("n", 128),
        ("logprobs", 0),
        ("logit_bias", {3: -100, 4: 1.5}),
        ("stop", ["a", "b"]),
        ("stop_token_ids", [1, 2]),
        ("ignore_eos", True),
    ],
)
def test_accepted(name: str, value: Any) -> None:
    params = SamplingParams(**{name: value})
    assert pickle.loads(pickle.dumps(params)) == params
    assert hash(params) == hash(SamplingParams(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("timeout", 0, "a number above 0"),
        ("timeout", "1", "a number above 0"),
        ("priority", 1001, "an integer from -1000 to 1000"),
        ("client", 3, "a str"),
        ("prediction", [-1], "a sequence of token ids"),
        ("prediction", b"x", "a sequence of token ids"),
        ("max_tokens", 0, "an integer from 1 to 2147483647"),
        ("max_tokens", True, "an integer"),
        ("max_tokens", 1.0, "an integer"),
        ("temperature", -0.1, "a number from 0 to 100"),
        ("temperature", float("nan"), "a number from 0"),
        ("temperature", float("inf"), "a number from 0"),
        ("temperature", "1", "a number"),
        ("temperature", False, "a number"),
        ("top_p", 0, "a number above 0 to 1"),
        ("top_p", 1.01, "a number above 0 to 1"),
        ("min_p", float("nan"), "a number from 0 to 1"),
        ("top_k", -1, "an integer from 0"),
        ("repetition_penalty", 0.0, "a number above 0"),
        ("presence_penalty", 2.1, "a number from -2 to 2"),
        ("frequency_penalty", None, "a number from -2 to 2"),
        ("seed", -1, "an integer from 0 to 18446744073709551615"),
        ("seed", 2**64, "an integer"),
        ("n", 0, "an integer from 1 to 128"),
        ("logprobs", 21, "an integer from 0 to 20"),
        ("logit_bias", {3: float("nan")}, "a mapping of token ids to numbers from -100 to 100"),
        ("logit_bias", {-1: 1.0}, "a mapping"),
        ("logit_bias", {True: 1.0}, "a mapping"),
        ("logit_bias", {"3": 1.0}, "a mapping"),
        ("logit_bias", {3: 100.5}, "a mapping"),
        ("logit_bias", [(3, 1.0)], "a mapping"),
        ("stop", "", "a non-empty string"),
        ("stop", ["a", ""], "a non-empty string"),
        ("stop", b"x", "a non-empty string"),
        ("stop", 3, "a non-empty string"),
        ("stop_token_ids", [True], "a sequence of token ids"),
        ("stop_token_ids", [-1], "a sequence of token ids"),
        ("stop_token_ids", "12", "a sequence of token ids"),
        ("stop_token_ids", 3, "a sequence of token ids"),
        ("ignore_eos", 1, "True or False"),
    ],
)
def test_refused(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(RequestError, match=f"^{name}=.* is not allowed: it must be {allowed}"):
        SamplingParams(**{name: value})


def test_normalised_and_immutable() -> None:
    stops = ["a", "b", "a"]
    biases = {1: 2.0}
    params = SamplingParams(stop=stops, logit_bias=biases, stop_token_ids=[3, 3])
    stops.append("c")
    biases[2] = 1.0
    assert params.stop_strings == ("a", "b")
    assert params.logit_bias == {1: 2.0}
    assert params.stop_token_ids == (3,)
    assert SamplingParams(stop="x").stop_strings == ("x",)
    with pytest.raises(AttributeError):
        params.n = 2  # type: ignore[misc]


def test_long_values_are_shortened_in_messages() -> None:
    with pytest.raises(RequestError) as caught:
        SamplingParams(stop_token_ids=list(range(-1, 1000)))
    assert len(str(caught.value)) < 200

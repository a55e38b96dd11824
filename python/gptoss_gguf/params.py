"""How to continue a prompt: sampling parameters, validated where they are made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from gptoss_gguf.errors import RequestError

_MAX_INT = 2**31 - 1
_MAX_SEED = 2**64 - 1
_MAX_N = 128
_MAX_LOGPROBS = 20


@dataclass(frozen=True)
class SamplingParams:
    """Parameters of one completion. A value of the wrong type or out of range raises RequestError.

    max_tokens: most tokens to generate; None = until the context is full.
    temperature: 0 = greedy. top_p, top_k (0 = all), min_p: which tokens stay candidates.
    repetition_penalty divides, presence_penalty and frequency_penalty lower, the logits of seen tokens.
    logit_bias: token id -> value added to its logit.
    seed: None = a fresh one each time. n: completions per prompt; each has its own random stream.
    stop: strings that end the text and are cut from it. The text ends where a stop string is first complete.
    stop_token_ids: tokens that end it, besides the model's own, which ignore_eos=True switches off.
    logprobs: None = none; k = those of the sampled token and of the k likeliest.

    What follows changes when and how fast the tokens come, never which:

    prediction: text or token ids that the output is expected to have much of, such as the file to be edited.
    timeout: seconds after which the completion ends as it is, with finish_reason "timeout"; None = never.
    priority: higher ones go first and displace lower ones. client: clients get equal shares of the engine.
    """

    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] | None = field(default=None, hash=False)
    seed: int | None = None
    n: int = 1
    stop: Sequence[str] | str | None = None  # a tuple once made
    stop_token_ids: Sequence[int] = ()  # a tuple once made
    ignore_eos: bool = False
    logprobs: int | None = None
    prediction: str | Sequence[int] | None = None  # token ids are a tuple once made
    timeout: float | None = None
    priority: int = 0
    client: str = ""

    def __post_init__(self) -> None:
        if self.max_tokens is not None:
            _check_int("max_tokens", self.max_tokens, 1, _MAX_INT)
        _check_float("temperature", self.temperature, 0.0, 100.0)
        _check_float("top_p", self.top_p, 0.0, 1.0, open_below=True)
        _check_int("top_k", self.top_k, 0, _MAX_INT)
        _check_float("min_p", self.min_p, 0.0, 1.0)
        _check_float("repetition_penalty", self.repetition_penalty, 0.0, 100.0, open_below=True)
        _check_float("presence_penalty", self.presence_penalty, -2.0, 2.0)
        _check_float("frequency_penalty", self.frequency_penalty, -2.0, 2.0)
        if self.seed is not None:
            _check_int("seed", self.seed, 0, _MAX_SEED)
        _check_int("n", self.n, 1, _MAX_N)
        if self.logprobs is not None:
            _check_int("logprobs", self.logprobs, 0, _MAX_LOGPROBS)
        if not isinstance(self.ignore_eos, bool):
            _refuse("ignore_eos", self.ignore_eos, "True or False")
        if self.timeout is not None:
            _check_float("timeout", self.timeout, 0.0, 1e9, open_below=True)
        _check_int("priority", self.priority, -1000, 1000)
        if not isinstance(self.client, str):
            _refuse("client", self.client, "a str")
        if self.prediction is not None and not isinstance(self.prediction, str):
            object.__setattr__(self, "prediction", _token_ids("prediction", self.prediction))
        object.__setattr__(self, "stop", _stop_strings(self.stop))
        stop_token_ids = _token_ids("stop_token_ids", self.stop_token_ids)
        object.__setattr__(self, "stop_token_ids", tuple(dict.fromkeys(stop_token_ids)))
        if self.logit_bias is not None:
            object.__setattr__(self, "logit_bias", _biases(self.logit_bias))

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """`stop` in its normalised form."""
        return tuple(self.stop or ())


def _refuse(name: str, value: Any, allowed: str) -> NoReturn:
    shown = repr(value)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    raise RequestError(f"{name}={shown} is not allowed: it must be {allowed}")


def _check_int(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        _refuse(name, value, f"an integer from {low} to {high}")


def _check_float(name: str, value: Any, low: float, high: float, *, open_below: bool = False) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Written so that NaN, for which every comparison is false, is refused.
    if not is_number or not low <= value <= high or (open_below and value == low):
        lowest = f"above {low:g}" if open_below else f"from {low:g}"
        _refuse(name, value, f"a number {lowest} to {high:g}")


def _stop_strings(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    strings = (value,) if isinstance(value, str) else value
    if not isinstance(strings, Sequence) or not all(isinstance(s, str) and s for s in strings):
        _refuse("stop", value, "a non-empty string or a sequence of them")
    return tuple(dict.fromkeys(strings))


def _token_ids(name: str, value: Any) -> tuple[int, ...]:
    allowed = f"a sequence of token ids from 0 to {_MAX_INT}"
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        _refuse(name, value, allowed)
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item <= _MAX_INT:
            _refuse(name, value, allowed)
    return tuple(value)


def _biases(value: Any) -> dict[int, float]:
    allowed = "a mapping of token ids to numbers from -100 to 100"
    if not isinstance(value, Mapping):
        _refuse("logit_bias", value, allowed)
    for token, bias in value.items():
        token_ok = isinstance(token, int) and not isinstance(token, bool) and 0 <= token <= _MAX_INT
        bias_ok = isinstance(bias, int | float) and not isinstance(bias, bool) and math.isfinite(bias)
        if not token_ok or not bias_ok or abs(bias) > 100:
            _refuse("logit_bias", {token: bias}, allowed)
    return dict(value)

"""What a completion returns: whole (Output) or piece by piece (Chunk)."""

from dataclasses import dataclass, field
from typing import Literal

FinishReason = Literal["stop", "length", "cancelled", "timeout"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = field(default=0, compare=False)  # of the prompt, that needed no computing

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one completion went, in seconds, and what the engine did besides."""

    queue_seconds: float  # until it was first worked on
    prefill_seconds: float  # from then until its first token
    decode_seconds: float  # from then until its end
    drafted_tokens: int  # guessed ones that were checked
    accepted_tokens: int  # and were right
    preemptions: int  # times that others took its pages


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Natural-log probability of a sampled token, and of the likeliest ones at its position.

    They are those of the model itself: before any mask, penalty or temperature.
    """

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...]  # (token id, logprob), likeliest first


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that the model wants made."""

    name: str
    arguments: str  # as the model wrote them: JSON, not validated


@dataclass(frozen=True, slots=True)
class Output:
    """One finished completion.

    `text` ends before the stop token or stop string; `token_ids` holds every sampled token up to and
    including the one that ended it. `logprobs` is None unless asked for, else aligned with `token_ids`.
    `reasoning` and `tool_calls` are filled by chats only: a raw completion leaves them empty. Outputs are
    equal when the model said the same, however long it took.
    """

    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...] | None
    finish_reason: FinishReason
    usage: Usage
    timing: Timing = field(compare=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a stream yields: the fields of Output as deltas.

    `text` may lag behind `token_ids` while a character or a possible stop string is incomplete.
    `finish_reason`, `usage` and `timing` are None on all chunks but the last.
    """

    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...] | None
    finish_reason: FinishReason | None
    usage: Usage | None
    timing: Timing | None = field(compare=False)

"""A conversation to learn from: its messages, what is asked of the model, and the tokens with their mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gptoss_gguf.harmony import (
    Message,
    ReasoningEffort,
    drop_finished_reasoning,
    render_for_completion,
    render_for_training,
    render_message,
)
from gptoss_gguf.tokenizer import Tokenizer

Split = Literal["train", "heldout"]
Effort = ReasoningEffort | None  # None: no reasoning at all
MAX_TOKENS: Final = 768  # most tokens of a conversation


@dataclass(frozen=True)
class Expect:
    """What a right answer is; exactly one field is given.

    equals: the final answer. contains: whole words, each of which the final answer has.
    call: function name and arguments. json: the value that the final answer is, as `schema` demands if there
    is one.
    """

    equals: str | None = None
    contains: tuple[str, ...] = ()
    call: tuple[str, Mapping[str, Any]] | None = None
    json: Any = None
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Sample:
    """A conversation whose last part, from message `n_prompt` on, is the model's right answer."""

    family: str
    split: Split
    effort: Effort
    messages: tuple[Message, ...]
    n_prompt: int
    expect: Expect

    @property
    def answer(self) -> tuple[Message, ...]:
        """What the model shall write."""
        return self.messages[self.n_prompt :]


def encode(tokenizer: Tokenizer, sample: Sample) -> tuple[list[int], list[bool]]:
    """Token ids, and for each whether it is to be learned: what the assistant writes in the last turn.

    Earlier turns have lost their reasoning, so learning their answers would teach to answer without it.
    Between two messages in a row the model writes "<|start|>assistant" itself; elsewhere the prompt has it.
    """
    messages = drop_finished_reasoning(sample.messages)
    ids = render_for_training(tokenizer, messages)
    last_user = max(place for place, message in enumerate(messages) if message.role == "user")
    n_given = len(render_for_completion(tokenizer, []))  # <|start|>assistant
    mask: list[bool] = []
    for place, message in enumerate(messages):
        n_tokens = len(render_message(tokenizer, message))
        is_target = message.role == "assistant" and place > last_user
        n_written = n_tokens if is_target else 0
        if is_target and (messages[place - 1].role != "assistant" or messages[place - 1].is_tool_call):
            n_written -= n_given
        mask += [False] * (n_tokens - n_written) + [True] * n_written
    assert len(mask) == len(ids)
    return ids, mask


def prompt_ids(tokenizer: Tokenizer, sample: Sample) -> list[int]:
    """Token ids of the prompt that the model is to answer."""
    return render_for_completion(tokenizer, drop_finished_reasoning(sample.messages[: sample.n_prompt]))

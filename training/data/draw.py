"""Draws the parts of a conversation: phrasing within its split, effort, system and developer message.

A family has at least 20 templates; its last 5 are held out: training never sees them, and evaluation sees
no others.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from gptoss_gguf.harmony import (
    DeveloperContent,
    FunctionTool,
    Message,
    ResponseFormat,
    SystemContent,
    developer_message,
    system_message,
)

from .sample import Effort, Expect, Sample, Split

T = TypeVar("T")
N_HELDOUT: Final = 5
EFFORTS: Final[tuple[Effort, ...]] = ("low", "medium", "medium", "high", None)

_INSTRUCTIONS: Final = (
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "Answer briefly.",
    "Answer the user's questions.",
    "You help the user with small tasks.",
    "Be polite and exact.",
    "Be concise.",
    "You are an assistant in a demo.",
    "Help the user.",
)
_OPENERS: Final = (
    "Please: ",
    "Hi! ",
    "Hello. ",
    "Hey, ",
    "One question: ",
    "Quick question: ",
    "OK. ",
    "Next: ",
)
_CLOSERS: Final = (" Thanks.", " Thank you!", " Please.", " Thanks a lot.")


@dataclass
class Draw:
    """The random choices of one conversation; all of them come from `rng`."""

    rng: random.Random
    split: Split
    effort: Effort = field(init=False)

    def __post_init__(self) -> None:
        self.effort = self.rng.choice(EFFORTS)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def one(self, items: Sequence[T]) -> T:
        return self.rng.choice(items)

    def some(self, items: Sequence[T], low: int, high: int) -> list[T]:
        """Between low and high different items, in random order."""
        return self.rng.sample(items, self.rng.randint(low, high))

    def template(self, templates: Sequence[str]) -> str:
        """A template of this split."""
        return self.one(templates[-N_HELDOUT:] if self.split == "heldout" else templates[:-N_HELDOUT])

    def new(self, make: Callable[[], str]) -> str:
        """What `make` gives, of this split: one text in eight, by its hash, is held out."""
        while True:
            text = make()
            if is_heldout(text) == (self.split == "heldout"):
                return text

    def reason(self, low: str, medium: str, high: str) -> str | None:
        """The reasoning of the effort; None where there is to be none."""
        return None if self.effort is None else {"low": low, "medium": medium, "high": high}[self.effort]

    def polite(self, text: str) -> str:
        """Now and then with words around it that change nothing."""
        if self.chance(0.08):
            text = self.one(_OPENERS) + text
        if self.chance(0.08):
            text += self.one(_CLOSERS)
        return text

    def head(
        self,
        *,
        instructions: str | None = None,
        tools: Sequence[FunctionTool] = (),
        formats: Sequence[ResponseFormat] = (),
    ) -> list[Message]:
        """System message and, where there is something to say, developer message."""
        if instructions is None and self.chance(0.2):
            instructions = self.one(_INSTRUCTIONS)
        date = (
            f"2026-{self.rng.randint(1, 12):02d}-{self.rng.randint(1, 28):02d}" if self.chance(0.1) else None
        )
        system = SystemContent(current_date=date, reasoning_effort=self.effort, has_functions=bool(tools))
        messages = [system_message(system)]
        if instructions or tools or formats:
            content = DeveloperContent(instructions, tuple(tools), tuple(formats))
            messages.append(developer_message(content))
        return messages

    def answered(
        self, family: str, prompt: Sequence[Message], reasoning: str | None, final: str, expect: Expect
    ) -> Sample:
        """The prompt with its final answer."""
        answer = [*thought(reasoning), Message("assistant", channel="final", content=final)]
        return Sample(family, self.split, self.effort, (*prompt, *answer), len(prompt), expect)

    def called(
        self, family: str, prompt: Sequence[Message], reasoning: str | None, call: Message, expect: Expect
    ) -> Sample:
        """The prompt with the call of a function."""
        answer = [*thought(reasoning), call]
        return Sample(family, self.split, self.effort, (*prompt, *answer), len(prompt), expect)


def is_heldout(text: str) -> bool:
    """Whether a made-up text belongs to the evaluation alone."""
    return zlib.crc32(text.encode()) % 8 == 0


def user(text: str) -> Message:
    return Message("user", content=text)


def thought(reasoning: str | None) -> list[Message]:
    """The message on the analysis channel, if there is one."""
    return [] if reasoning is None else [Message("assistant", channel="analysis", content=reasoning)]


def capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]

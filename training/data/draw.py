"""Draws the parts of a conversation: phrasing within its split, effort, system and developer message.

A family has at least 20 templates; its last 5 are held out: training never sees them, and evaluation sees
no others.
"""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    """The random choices of one conversation: its own from `rng`, those of its scene from `scene`.

    Conversations of one scene begin alike: same effort, same date, same tools.
    """

    rng: random.Random
    split: Split
    scene: random.Random
    effort: Effort = field(init=False)
    _date: str | None = field(init=False)
    _instructions: str | None = field(init=False)

    def __post_init__(self) -> None:
        scene = self.scene
        self.effort = scene.choice(EFFORTS)
        day = f"2026-{scene.randint(1, 12):02d}-{scene.randint(1, 28):02d}"
        self._date = day if scene.random() < 0.1 else None
        self._instructions = scene.choice(_INSTRUCTIONS) if scene.random() < 0.2 else None

    @contextmanager
    def setting_the_scene(self) -> Iterator[None]:
        """Within, all choices are the scene's; to be entered once, before the conversation's own choices."""
        own, self.rng = self.rng, self.scene
        yield
        self.rng = own

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
        instructions = instructions or self._instructions
        system = SystemContent(
            current_date=self._date, reasoning_effort=self.effort, has_functions=bool(tools)
        )
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


def phrasings(parts: Sequence[Sequence[str]], heldout: Sequence[str]) -> tuple[str, ...]:
    """Templates of one part after the other in all combinations, then those held out.

    No combination begins like one held out, up to the first placeholder.
    Raises ValueError where N_HELDOUT are not held out.
    """
    if len(heldout) != N_HELDOUT:
        raise ValueError(f"{len(heldout)} phrasings held out, not {N_HELDOUT}")
    beginnings = {text.partition("}")[0] for text in heldout}
    combined = ("".join(choice) for choice in itertools.product(*parts))
    return (*(text for text in combined if text.partition("}")[0] not in beginnings), *heldout)


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

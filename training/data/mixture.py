"""Which families there are, and how often each is drawn."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .draw import Draw
from .families import chains, facts, forms, numbers, strings, talk, tools
from .sample import Sample, Split


@dataclass(frozen=True)
class Family:
    """make: draws a conversation. templates: the phrasings, the last 5 held out. weight: its share."""

    make: Callable[[Draw], Sample]
    templates: tuple[str, ...]
    weight: float


FAMILIES: Final[Mapping[str, Family]] = {
    "greeting": Family(talk.greeting, talk.GREETINGS, 2),
    "unknown": Family(talk.unknown, facts.CARRIERS, 3),
    "instructions": Family(talk.instructions, talk.INSTRUCTIONS, 4),
    "facts": Family(facts.facts, facts.CARRIERS, 13),
    "check": Family(facts.check, facts.CHECKS, 5),
    "followup": Family(facts.followup, facts.FOLLOW_UPS, 6),
    "arithmetic": Family(numbers.arithmetic, numbers.CARRIERS, 12),
    "word_problem": Family(numbers.word_problem, numbers.PROBLEMS, 5),
    "counting": Family(numbers.counting, numbers.COUNTING, 5),
    "copying": Family(strings.copying, strings.COPYING, 5),
    "reversing": Family(strings.reversing, strings.REVERSING, 4),
    "extraction": Family(forms.extraction, forms.EXTRACTION, 6),
    "schema": Family(forms.schema, forms.SCHEMA, 8),
    "tool_call": Family(tools.tool_call, tools.REQUESTS, 10),
    "tool_named": Family(tools.tool_named, tools.ORDERS, 5),
    "tool_answer": Family(tools.tool_answer, tools.REQUESTS, 5),
    "tool_chain": Family(chains.tool_chain, chains.CHAINS, 6),
    "tool_unneeded": Family(tools.tool_unneeded, facts.CARRIERS, 3),
}
_NAMES: Final = tuple(FAMILIES)
_WEIGHTS: Final = tuple(family.weight for family in FAMILIES.values())


def make_sample(split: Split, seed: int, index: int, family: str | None = None) -> Sample:
    """Conversation number `index` of the endless stream of a seed; the same arguments, the same conversation.

    family: only of this family; default: drawn by weight. Raises KeyError for a family that does not exist.
    """
    rng = random.Random(f"{split}/{seed}/{index}/{family}")
    name = family or rng.choices(_NAMES, _WEIGHTS)[0]
    return FAMILIES[name].make(Draw(rng, split))

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
    """make: draws a conversation. templates: the phrasings, the last 5 held out. weight: its share.

    scene: families of the same name take place in the same scenes.
    """

    make: Callable[[Draw], Sample]
    templates: tuple[str, ...]
    weight: float
    scene: str = "talk"


SIBLINGS: Final = 4  # conversations of one scene, one after the other


FAMILIES: Final[Mapping[str, Family]] = {
    "greeting": Family(talk.greeting, talk.GREETINGS, 2),
    "unknown": Family(talk.unknown, facts.CARRIERS, 3),
    "instructions": Family(talk.instructions, talk.INSTRUCTIONS, 4),
    "facts": Family(facts.facts, facts.CARRIERS, 11),
    "check": Family(facts.check, facts.CHECKS, 5),
    "followup": Family(facts.followup, facts.FOLLOW_UPS, 6),
    "arithmetic": Family(numbers.arithmetic, numbers.CARRIERS, 12),
    "word_problem": Family(numbers.word_problem, numbers.PROBLEMS, 5),
    "counting": Family(numbers.counting, numbers.COUNTING, 5),
    "copying": Family(strings.copying, strings.COPYING, 5),
    "reversing": Family(strings.reversing, strings.REVERSING, 4),
    "extraction": Family(forms.extraction, forms.EXTRACTION, 6),
    "schema": Family(forms.schema, forms.SCHEMA, 8),
    "tool_call": Family(tools.tool_call, tools.REQUESTS, 20, "tools"),
    "tool_named": Family(tools.tool_named, tools.ORDERS, 14, "named tools"),
    "tool_answer": Family(tools.tool_answer, tools.REQUESTS, 5, "tools"),
    "tool_chain": Family(chains.tool_chain, chains.CHAINS, 9, "chain"),
    "tool_unneeded": Family(tools.tool_unneeded, facts.CARRIERS, 3, "tools"),
}


def make_sample(split: Split, seed: int, index: int, family: str | None = None) -> Sample:
    """Conversation number `index` of the endless stream of a seed; the same arguments, the same conversation.

    family: only of this family, each in a scene of its own; default: drawn by weight, SIBLINGS in a scene.
    Raises KeyError for a family that does not exist.
    """
    place, sibling = (index, 0) if family else divmod(index, SIBLINGS)
    scene = random.Random(f"{split}/{seed}/{place}/{family}")
    rng = random.Random(f"{split}/{seed}/{place}/{family}/{sibling}")
    kind = FAMILIES[family or _any_of(list(FAMILIES), scene)].scene
    name = family or _any_of([name for name, each in FAMILIES.items() if each.scene == kind], rng)
    return FAMILIES[name].make(Draw(rng, split, scene))


def _any_of(names: list[str], rng: random.Random) -> str:
    """A family, by weight."""
    return rng.choices(names, [FAMILIES[name].weight for name in names])[0]

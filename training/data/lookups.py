"""The first steps of chains: tools that look something up, and the tools that need what was found."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .topics import order_code
from .words import CITIES, pseudo_word

Rng = random.Random


@dataclass(frozen=True)
class Lookup:
    """A first step: finds something of a person that the second step needs.

    names, about: as in Topic. noun: what is looked up, of {name}. key: of the result.
    then: (names, descriptions, task that refers back, parameter names, description of the parameter).
    """

    names: tuple[str, ...]
    about: tuple[str, ...]
    noun: str
    key: tuple[str, ...]
    make: Callable[[Rng], str]
    then: tuple[tuple[tuple[str, ...], str, str, tuple[str, ...], str], ...]


def _place(rng: Rng) -> str:
    return rng.choice(CITIES) if rng.random() < 0.5 else pseudo_word(rng).capitalize()


def _email(rng: Rng) -> str:
    return f"{pseudo_word(rng)}@{pseudo_word(rng)}.com"


LOOKUPS: Final = (
    Lookup(
        ("home", "city", "user"),
        ("Find the city where a person lives.", "Home city of a person."),
        "the city where {name} lives",
        ("city", "home", "place"),
        _place,
        (
            (
                ("weather",),
                "Get the weather of a city.",
                "tell me the weather there",
                ("city", "place"),
                "The city",
            ),
            (
                ("time",),
                "Get the local time of a city.",
                "tell me the time there",
                ("city", "location"),
                "The city",
            ),
            (("hotel",), "Find a hotel in a city.", "find a hotel there", ("city", "place"), "Where"),
        ),
    ),
    Lookup(
        ("email", "address", "contact"),
        ("Find the email address of a person.", "Address book."),
        "the email address of {name}",
        ("email", "address"),
        _email,
        (
            (
                ("invite",),
                "Send an invitation.",
                "send an invitation to it",
                ("email", "to"),
                "Email address",
            ),
            (
                ("report", "mail"),
                "Mail the report.",
                "mail the report to it",
                ("address", "to"),
                "Email address",
            ),
        ),
    ),
    Lookup(
        ("orders", "last_order"),
        ("Find the last order of a person.", "Order number of a customer."),
        "the last order of {name}",
        ("order", "order_id", "number"),
        order_code,
        (
            (
                ("track",),
                "Find out where an order is.",
                "find out where it is",
                ("order_id", "order"),
                "The order",
            ),
            (("cancel",), "Cancel an order.", "cancel it", ("order_id", "id"), "The order"),
            (("repeat",), "Order the same again.", "order the same again", ("order", "id"), "The order"),
        ),
    ),
)

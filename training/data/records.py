"""Small records (persons, products, events) with the sentence that states them and their JSON Schema."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .words import ADJECTIVES, CITIES, DAYS, ITEMS, JOBS, MONTHS, NAMES, NOUNS, any_word, pseudo_word

Rng = random.Random


@dataclass(frozen=True)
class Field:
    """keys: names that it may have. schema: JSON Schema of a value. say: the value as part of a sentence."""

    keys: tuple[str, ...]
    schema: Mapping[str, Any]
    make: Callable[[Rng], Any]
    say: Callable[[Any], str]


@dataclass(frozen=True)
class Kind:
    """A kind of record; the sentence begins with `subject`."""

    names: tuple[str, ...]
    subject: Field
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Record:
    """One record: the text that states it, its value, and the schema of the value."""

    name: str
    text: str
    value: dict[str, Any]
    schema: dict[str, Any]


STRING: Final = {"type": "string"}
INTEGER: Final = {"type": "integer"}
BOOLEAN: Final = {"type": "boolean"}


def _listing(values: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(values[:-1]), values[-1]]))


def _text(keys: str, words: tuple[str, ...], phrase: str) -> Field:
    return Field(
        tuple(keys.split()), STRING, lambda rng: rng.choice(words), lambda value: phrase.format(value)
    )


def _enum(keys: str, words: tuple[str, ...], phrase: str) -> Field:
    schema = {"type": "string", "enum": list(words)}
    return Field(
        tuple(keys.split()), schema, lambda rng: rng.choice(words), lambda value: phrase.format(value)
    )


def _number(keys: str, low: int, high: int, phrase: str) -> Field:
    return Field(
        tuple(keys.split()), INTEGER, lambda rng: rng.randint(low, high), lambda value: phrase.format(value)
    )


def _flag(keys: str, yes: str, no: str) -> Field:
    return Field(
        tuple(keys.split()), BOOLEAN, lambda rng: rng.random() < 0.5, lambda value: yes if value else no
    )


def _list(keys: str, words: tuple[str, ...], phrase: str) -> Field:
    schema = {"type": "array", "items": STRING}
    return Field(
        tuple(keys.split()),
        schema,
        lambda rng: rng.sample(words, rng.randint(1, 3)),
        lambda value: phrase.format(_listing(value)),
    )


def _invented(keys: str, phrase: str) -> Field:
    return Field(
        tuple(keys.split()),
        STRING,
        lambda rng: pseudo_word(rng).capitalize(),
        lambda value: phrase.format(value),
    )


_COLORS: Final = ("red", "green", "blue")
_CITY: Final = ("city town", CITIES)

KINDS: Final = (
    Kind(
        ("person", "user", "contact", "employee"),
        _text("name full_name person", NAMES, "{}"),
        (
            _number("age years", 4, 90, "is {} years old"),
            _text("city town home", CITIES, "lives in {}"),
            _text("job work profession", JOBS, "works as a {}"),
            _flag("married is_married", "is married", "is not married"),
            _list("likes hobbies interests", NOUNS, "likes {}"),
            _enum("day free_day", DAYS, "is free on {}"),
        ),
    ),
    Kind(
        ("product", "article", "offer"),
        _text("item product name", ITEMS, "The {}"),
        (
            _number("price cost", 1, 99, "costs {} dollars"),
            _enum("color colour", _COLORS, "is {}"),
            _flag("in_stock available", "is in stock", "is sold out"),
            _invented("maker brand", "is made by {}"),
            _number("count amount quantity", 1, 40, "comes in a pack of {}"),
            _text("size quality", ("small", "large", "new", "old"), "looks {}"),
        ),
    ),
    Kind(
        ("event", "meeting", "appointment"),
        _invented("title name event", "The {} meeting"),
        (
            _enum("day weekday", DAYS, "is on {}"),
            _text("city place location", CITIES, "takes place in {}"),
            _number("guests people", 2, 60, "has {} guests"),
            _flag("online remote", "is online", "is not online"),
            _list("speakers hosts", NAMES, "is led by {}"),
            _number("hour start", 1, 12, "starts at {}"),
        ),
    ),
    Kind(
        ("order", "purchase", "delivery"),
        _number("order number id", 1, 999, "Order {}"),
        (
            _text("customer buyer name", NAMES, "is for {}"),
            _text("city destination", CITIES, "goes to {}"),
            _list("items goods things", ITEMS, "contains {}"),
            _flag("paid is_paid", "is paid", "is not paid"),
            _number("total sum price", 1, 99, "costs {} dollars"),
            _text("month date", MONTHS, "arrives in {}"),
        ),
    ),
    Kind(
        ("pet", "animal"),
        _invented("name pet", "{}"),
        (
            _enum("kind animal", ("dog", "cat", "bird", "fish"), "is a {}"),
            _number("age years", 1, 15, "is {} years old"),
            _text("owner", NAMES, "belongs to {}"),
            _text("color", ADJECTIVES[:3], "has {} eyes"),
            _flag("friendly is_friendly", "is friendly", "is not friendly"),
        ),
    ),
    Kind(
        ("book", "story", "text"),
        _invented("title name book", "The book {}"),
        (
            _text("author writer", NAMES, "is by {}"),
            _number("pages length", 10, 200, "has {} pages"),
            _text("place city", CITIES, "plays in {}"),
            _flag("finished read", "is finished", "is not finished"),
            _list("topics words", NOUNS, "is about {}"),
        ),
    ),
)


def _anything(rng: Rng) -> Kind:
    """A kind of record whose keys are words that need not exist."""
    keys = rng.sample(sorted({any_word(rng) for _ in range(9)}), 5)

    def field(key: str) -> Field:
        if rng.random() < 0.5:
            return _number(key, 1, 99, f"{key} is {{}}")
        return Field((key,), STRING, lambda r: any_word(r), lambda value: f"{key} is {value}")

    first, *rest = map(field, keys)
    return Kind((pseudo_word(rng), any_word(rng)), first, tuple(rest))


def make_record(rng: Rng) -> Record:
    """A record with 2 to 4 fields, its sentence in the order of the fields or another one."""
    kind = _anything(rng) if rng.random() < 0.2 else rng.choice(KINDS)
    fields = [kind.subject, *rng.sample(kind.fields, rng.randint(1, 3))]
    chosen: dict[str, tuple[Field, Any]] = {}
    for field in fields:
        key = rng.choice([key for key in field.keys if key not in chosen] or [f"{field.keys[0]}_2"])
        chosen[key] = (field, field.make(rng))
    said = [field.say(value) for field, value in chosen.values()]
    rest = said[1:]
    rng.shuffle(rest)
    is_sentence = kind.subject.say("x") != "x is x" and " is " not in said[0]
    text = f"{said[0]} {_listing(rest)}." if is_sentence else f"{_listing([said[0], *rest])}."
    order = list(chosen)
    if rng.random() < 0.5:
        rng.shuffle(order)
    schema = {
        "type": "object",
        "properties": {key: dict(chosen[key][0].schema) for key in order},
        "required": order,
        "additionalProperties": False,
    }
    return Record(rng.choice(kind.names), text, {key: chosen[key][1] for key in order}, schema)

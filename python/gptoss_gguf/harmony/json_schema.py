"""JSON Schema as it is used: references followed, allOf merged, within bounds that no schema escapes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

_MOST_DEPTH = 32
_MOST_NODES = 10_000  # references can make a small schema describe an endless one

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of the schema stands: how deep, and below which references."""

    depth: int = 0
    references: frozenset[str] = frozenset()


class SchemaReader:
    """Gives the parts of one schema in a plain form. Total: takes anything, never raises.

    What lies deeper than 32 levels or beyond 10,000 parts, and what is no schema, is read as {}: anything.
    """

    def __init__(self, root: object) -> None:
        self._root = root
        self._n_nodes = 0

    def plain(self, schema: object, place: Place) -> tuple[Schema, Place]:
        """`schema`, which stands at `place`, with its references followed and its allOf merged in; and the
        place of its parts.

        A local reference ("#/$defs/x") gives what it names, under the keywords that stand beside it; one
        that leads back into itself, elsewhere or nowhere gives {}. An allOf is merged in order: properties
        unite, required names too, and of every other keyword the first value counts.
        """
        self._n_nodes += 1
        below = replace(place, depth=place.depth + 1)
        if not isinstance(schema, Mapping) or place.depth >= _MOST_DEPTH or self._n_nodes > _MOST_NODES:
            return {}, below
        parts: list[object] = list(as_list(schema.get("allOf")))
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference not in place.references:
            below = replace(below, references=below.references | {reference})
            parts.insert(0, self._find(reference))
        result: Schema = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
        for part in parts:
            plain, inner = self.plain(part, below)
            result = merge(result, plain)
            below = replace(below, references=below.references | inner.references)
            self._n_nodes += len(properties(result))
        return result, below

    def _find(self, reference: str) -> object:
        """The part that a local JSON pointer names; None where there is none."""
        if reference != "#" and not reference.startswith("#/"):
            return None
        found: object = self._root
        for step in reference.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping):
                found = found.get(key)
            elif isinstance(found, Sequence) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                return None
        return found


def as_list(value: object) -> Sequence[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def properties(schema: Schema) -> Mapping[Any, Any]:
    """Name -> schema; empty where there are none."""
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def required(schema: Schema) -> set[str]:
    """The names of the properties that must be there."""
    return {name for name in as_list(schema.get("required")) if isinstance(name, str)}


def merge(first: Schema, second: Schema) -> dict[str, Any]:
    """Both at once. A property of both has to be both, which an allOf in its place says."""
    merged = {**second, **first}
    if properties(first) and properties(second):
        both = dict(properties(first))
        for name, schema in properties(second).items():
            both[name] = {"allOf": [both[name], schema]} if name in both else schema
        merged["properties"] = both
    if as_list(first.get("required")) and as_list(second.get("required")):
        merged["required"] = [*as_list(first["required"]), *as_list(second["required"])]
    return merged

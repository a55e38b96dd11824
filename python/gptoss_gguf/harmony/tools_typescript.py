"""JSON Schema -> the TypeScript-like types in which the model was shown its functions.

The forms of `type`, lists of types, string enums, nullable, oneOf, objects, arrays, defaults, titles,
descriptions and examples are those of the official renderer. It knows no more than these; here also:
    anyOf                       like oneOf; on one line where the variants are short: string | null
    $ref, allOf                 what they stand for; `any` where a reference leads back into itself
    const, enums of any type    their values: 1 | 2 | null
    null                        null
    prefixItems                 [string, number, ...boolean[]]
    additionalProperties        [key: string]: number, where it is a schema
    schemas without a type      object where there are properties, array where there are items
    true, false                 any, never
Conditions (if, not, dependent...) and ranges (minimum, pattern, ...) have no form and are left out.
And where its text would mislead: unions in arrays stand in parentheses, quotes in literals are escaped, every
line of a description is a comment, and a union keeps the descriptions of all its variants.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gptoss_gguf.harmony.json_schema import Place, Schema, SchemaReader, as_list, properties, required

_TYPES = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
# Keywords that say what a value is; a variant without any only adds a condition to the schema around it.
_SHAPES = ("type", "enum", "const", "properties", "items", "prefixItems", "oneOf", "anyOf")
_OF_ALL_VARIANTS = ("type", "properties", "required")


@dataclass(frozen=True, slots=True)
class _Type:
    """A type's text. alternatives: how many types it unites, 1 if it is no union."""

    text: str
    alternatives: int = 1
    has_null: bool = False

    def or_null(self) -> "_Type":
        return self if self.has_null else _Type(f"{self.text} | null", self.alternatives + 1, True)


def function_type(name: str, parameters: Mapping[str, object] | None) -> str:
    """Declaration of a function: "type f = (_: {...}) => any;". Takes any schema, never raises."""
    if parameters is None:
        return f"type {name} = () => any;"
    text = type_text(parameters)
    end = "\n" if "//" in text.rpartition("\n")[2] else ""  # no comment may hide what follows
    return f"type {name} = (_: {text}{end}) => any;"


def type_text(schema: object) -> str:
    """The type that a JSON Schema describes. Takes anything, never raises; the same schema, the same text."""
    return _Writer(schema).type_of(schema, "", Place(references=frozenset({"#"}))).text


def comment(text: object, indent: str = "") -> list[str]:
    """Each line of the text as a comment line; none where `text` is empty or no text."""
    return [f"{indent}// {line}" for line in _lines(text)]


class _Writer:
    """Writes the types of one schema. indent: that of the object whose property is being written."""

    def __init__(self, root: object) -> None:
        self._reader = SchemaReader(root)

    def type_of(self, schema: object, indent: str, place: Place) -> _Type:
        if schema is False:
            return _Type("never")
        plain, place = self._reader.plain(schema, place)
        written = self._type(plain, indent, place)
        return written.or_null() if plain.get("nullable") is True else written

    def _type(self, schema: Schema, indent: str, place: Place) -> _Type:
        if variants := self._variants(schema, place):
            return self._union(schema, variants, indent, place)
        values = [schema["const"]] if "const" in schema else as_list(schema.get("enum"))
        if values:
            return _joined([_Type(_literal(value), has_null=value is None) for value in values])
        names = [name for name in _type_names(schema) if isinstance(name, str)]
        return _joined([self._named(name, schema, indent, place) for name in names] or [_Type("any")])

    def _named(self, name: str, schema: Schema, indent: str, place: Place) -> _Type:
        if name == "object":
            return _Type(self._object(schema, indent, place))
        if name == "array":
            return _Type(self._array(schema, indent, place))
        return _Type(_TYPES.get(name, "any"), has_null=name == "null")

    def _array(self, schema: Schema, indent: str, place: Place) -> str:
        rest = schema.get("items")
        first = as_list(schema.get("prefixItems")) or as_list(rest)  # items was the list in earlier drafts
        if first:
            types = [_grouped(self.type_of(item, indent, place), indent) for item in first]
            if isinstance(rest, Mapping):
                types.append(f"...{self._array({'items': rest}, indent, place)}")
            return f"[{', '.join(types)}]"
        if rest is None:
            return "Array<any>"
        return f"{_grouped(self.type_of(rest, indent, place), indent)}[]"

    def _object(self, schema: Schema, indent: str, place: Place) -> str:
        lines = [*comment(schema.get("description"), indent), "{"]
        needed = required(schema)
        for key, value in properties(schema).items():
            name = str(key)
            mark = "" if name in needed else "?"
            lines += self._property(f"{_property_name(name)}{mark}:", value, indent, place)
        if isinstance(others := schema.get("additionalProperties"), Mapping) and others:
            lines += self._property("[key: string]:", others, indent, place)
        return "\n".join([*lines, f"{indent}}}"])

    def _property(self, key: str, schema: object, indent: str, place: Place) -> list[str]:
        plain, below = self._reader.plain(schema, place)
        title = comment(plain.get("title"), indent)
        title = [*title, f"{indent}//"] if title else []
        described = comment(plain.get("description"), indent)
        examples = [f"{indent}// - {_literal(value)}" for value in as_list(plain.get("examples"))]
        examples = [f"{indent}// Examples:", *examples] if examples else []
        default = _default(plain)
        if variants := self._variants(plain, below):
            written = self._union(plain, variants, indent, below)
            if written.text.startswith("\n"):
                above = [*title, *examples, *described, *comment(default, indent)]
                return [*above, f"{indent}{key}{written.text}", f"{indent},"]
        else:
            written = self.type_of(schema, f"{indent}    ", place)
        behind = f" // {default}" if default else ""
        return [*title, *described, *examples, f"{indent}{key} {written.text},{behind}"]

    def _variants(self, schema: Schema, place: Place) -> Sequence[object]:
        """What the value may be, by oneOf or anyOf; nothing if these only add conditions."""
        for keyword in ("oneOf", "anyOf"):
            variants = as_list(schema.get(keyword))
            plain = [self._reader.plain(variant, place)[0] for variant in variants]
            is_shaped = any(key in variant for variant in plain for key in _SHAPES)
            if variants and (is_shaped or not _type_names(schema)):
                shared = {key: schema[key] for key in _OF_ALL_VARIANTS if key in schema}
                return [{"allOf": [shared, each]} for each in variants] if properties(schema) else variants
        return ()

    def _union(self, schema: Schema, variants: Sequence[object], indent: str, place: Place) -> _Type:
        """Each variant on a line of its own with its comment; an anyOf of short ones on one line."""
        types = [self.type_of(variant, f"{indent}   ", place) for variant in variants]
        notes = [self._note(variant, schema, place) for variant in variants]
        if schema.get("nullable") is True and not any(each.has_null for each in types):
            types, notes = [*types, _Type("null", has_null=True)], [*notes, ""]
        if "oneOf" not in schema and not any(notes) and all("\n" not in each.text for each in types):
            return _joined(types)
        lines = [f"\n{indent} | {each.text}{note}" for each, note in zip(types, notes, strict=True)]
        # Never 1: in an array even a single variant has to stand in parentheses, for its line breaks.
        return _Type("".join(lines), len(lines) + 1, any(each.has_null for each in types))

    def _note(self, variant: object, schema: Schema, place: Place) -> str:
        """The comment behind a variant: its description, unless the whole has the same, and its default."""
        plain, _ = self._reader.plain(variant, place)
        description = plain.get("description")
        words = [] if description == schema.get("description") else _lines(description)
        words += _lines(_default(plain))
        return f" // {' '.join(words)}" if words else ""


def _type_names(schema: Schema) -> Sequence[object]:
    """Names of the types, also where only other keywords tell."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return (kind,)
    if as_list(kind):
        return as_list(kind)
    if any(key in schema for key in ("properties", "additionalProperties")):
        return ("object",)
    return ("array",) if "items" in schema or "prefixItems" in schema else ()


def _joined(types: Sequence[_Type]) -> _Type:
    """A union on one line, each type once."""
    texts = dict.fromkeys(each.text for each in types)
    n = max(len(texts), *(each.alternatives for each in types))
    return _Type(" | ".join(texts), n, any(each.has_null for each in types))


def _grouped(item: _Type, indent: str) -> str:
    """The type as one operand: a union in parentheses, the last on a new line as a comment may precede it."""
    if item.alternatives == 1:
        return item.text
    end = f"\n{indent}" if item.text.startswith("\n") else ""
    return f"({item.text}{end})"


def _property_name(name: str) -> str:
    return name if _is_one_line(name) else _literal(name)


def _is_one_line(text: str) -> bool:
    return text.splitlines() == [text]


def _default(schema: Schema) -> str:
    """ "default: 20"; text is quoted, but not a value of an enum."""
    if "default" not in schema:
        return ""
    value = schema["default"]
    is_bare = isinstance(value, str) and _is_one_line(value) and bool(as_list(schema.get("enum")))
    return f"default: {value if is_bare else _literal(value)}"


def _literal(value: object) -> str:
    """JSON text on one line; `any` for what is no JSON."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return "any"


def _lines(text: object) -> list[str]:
    if not isinstance(text, str) or not text:
        return []
    lines = re.split(r"\r\n|\r|\n", text)
    return lines[:-1] if lines[-1] == "" else lines

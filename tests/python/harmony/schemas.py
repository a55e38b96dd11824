"""Schemas that oss-harmony renders right: what it does not is listed in test_oracle."""

from typing import Any

from hypothesis import strategies as st

# Neither quotes nor line breaks; and not the word null, for which they search the text of a type.
TEXT = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters='"\\'), min_size=1, max_size=20
).filter(lambda text: "null" not in text)
NAME = st.from_regex(r"[a-z][a-z_0-9]{0,7}", fullmatch=True).filter(lambda name: "null" not in name)
INTEGER = st.integers(-(2**63), 2**63 - 1)
VALUE = st.one_of(st.none(), st.booleans(), INTEGER, TEXT, st.lists(st.integers(0, 9), max_size=3))
TYPES = st.lists(st.sampled_from(["string", "number", "boolean", "null"]), min_size=1, unique=True)
Dicts = st.SearchStrategy[dict[str, Any]]


def some(fields: dict[str, st.SearchStrategy[Any]]) -> Dicts:
    """Any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def both(first: Dicts, second: Dicts) -> Dicts:
    return st.builds(lambda a, b: {**a, **b}, first, second)


NULLABLE = some({"nullable": st.booleans()})
SCALAR = both(
    st.one_of(
        st.just({}),
        st.sampled_from(["string", "number", "integer", "boolean"]).map(lambda name: {"type": name}),
        TYPES.map(lambda names: {"type": names}),
    ),
    NULLABLE,
)
ENUM = both(
    st.lists(TEXT, min_size=1, max_size=4, unique=True).map(
        lambda values: {"type": "string", "enum": values}
    ),
    NULLABLE,
)
PLAIN_ITEM = st.sampled_from([{}, {"type": "string"}, {"type": "integer"}, {"type": "array"}])


def array(item: Dicts) -> Dicts:
    return both(st.just({"type": "array"}), some({"items": item}))


def described(schema: Dicts) -> Dicts:
    notes = {"title": TEXT, "description": TEXT, "default": VALUE, "examples": st.lists(TEXT, max_size=3)}
    return both(schema, some(notes))


def one_of(variant: Dicts) -> Dicts:
    """Only the first variant may not have a description: they drop it."""
    first = variant.map(lambda schema: {key: schema[key] for key in schema if key != "description"})
    rest = st.lists(both(variant, some({"description": TEXT, "default": INTEGER})), max_size=3)
    return st.builds(lambda one, others: {"oneOf": [one, *others]}, first, rest)


def object_of(inner: Dicts) -> Dicts:
    simple = st.one_of(inner, ENUM, one_of(inner))
    properties = st.dictionaries(NAME, described(simple), max_size=4)
    return st.builds(
        lambda props, required, notes: {
            "type": "object",
            "properties": props,
            "required": [name for name, needed in zip(props, required, strict=False) if needed],
            **notes,
        },
        properties,
        st.lists(st.booleans()),
        some({"description": TEXT}),
    )


INNER = st.recursive(
    SCALAR | array(PLAIN_ITEM),
    lambda inner: object_of(inner) | array(object_of(inner)),
    max_leaves=8,
)
SCHEMAS = object_of(INNER)

"""JSON Schema as TypeScript-like types. What the official renderer knows too is compared in test_oracle."""

import time
from typing import Any

import pytest
from gptoss_gguf.harmony.tools_typescript import comment, function_type, type_text
from hypothesis import given
from hypothesis import strategies as st

NULL_OR_TEXT = {"anyOf": [{"type": "string"}, {"type": "null"}]}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
A_OR_B = [{"required": ["a"]}, {"required": ["b"]}]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer"}, "number"),
        ({"type": "null"}, "null"),
        ({"type": ["integer", "number", "null"]}, "number | null"),
        ({"type": ["array", "string"], "items": {"type": "number"}}, "number[] | string"),
        ({"type": ["string", "null"], "enum": ["a", None]}, '"a" | null'),
        ({"type": "string", "nullable": True}, "string | null"),
        ({"type": ["string", "null"], "nullable": True}, "string | null"),
        ({"enum": ["a", "a", 1, True, None, {"b": [2]}]}, '"a" | 1 | true | null | {"b":[2]}'),
        ({"enum": ['say "hi"\n\\']}, '"say \\"hi\\"\\n\\\\"'),
        ({"const": "\u00e9"}, '"\u00e9"'),
        ({"type": "array"}, "Array<any>"),
        ({"type": "array", "items": {}}, "any[]"),
        ({"items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"items": {"type": "string", "nullable": True}}, "(string | null)[]"),
        ({"items": {"items": NULL_OR_TEXT}}, "(string | null)[][]"),
        ({"items": {"oneOf": [{"type": "string"}]}}, "(\n | string\n)[]"),
        ({"prefixItems": [{"type": "string"}, {}], "items": {"const": 1}}, "[string, any, ...1[]]"),
        ({"items": [{"type": "string"}]}, "[string]"),
        (NULL_OR_TEXT, "string | null"),
        ({**NULL_OR_TEXT, "nullable": True}, "string | null"),
        ({"anyOf": [{"type": "string"}], "nullable": True}, "string | null"),
        ({"anyOf": [{"const": 1}, {"const": 2, "description": "two"}]}, "\n | 1\n | 2 // two"),
        ({"oneOf": [{"const": 1}, {"const": 2}], "nullable": True}, "\n | 1\n | 2\n | null"),
        ({"oneOf": [{"type": "string", "description": "a\nb", "default": "x"}]},
         '\n | string // a b default: "x"'),
        ({"type": "object"}, "{\n}"),
        ({"additionalProperties": {"type": "number"}}, "{\n[key: string]: number,\n}"),
        ({"type": "object", "additionalProperties": False}, "{\n}"),
        ({"properties": {"a": {}}, "required": ["a"]}, "{\na: any,\n}"),
        ({"properties": {"a": True, "b": False}}, "{\na?: any,\nb?: never,\n}"),
        ({"properties": {"a b": {}, "c\nd": {}, "": {}}}, '{\na b?: any,\n"c\\nd"?: any,\n""?: any,\n}'),
        ({"properties": {"a": NULL_OR_TEXT | {"default": None}}},
         "{\na?: string | null, // default: null\n}"),
        ({"properties": {"a": {"description": "b\r\nc", "enum": ["d"], "default": "d"}}},
         '{\n// b\n// c\na?: "d", // default: d\n}'),
        ({"properties": {"a": {"title": "T", "examples": ["x", 1]}}},
         '{\n// T\n//\n// Examples:\n// - "x"\n// - 1\na?: any,\n}'),
        ({"properties": {"a": {"oneOf": [{"const": 1}, {"type": "null"}], "default": 1}}},
         "{\n// default: 1\na?:\n | 1\n | null\n,\n}"),
        ({"description": "top", "type": "object"}, "// top\n{\n}"),
        ({"properties": {"a": {"type": "object", "description": "o", "properties": {"b": {}}}}},
         "{\n// o\na?:     // o\n{\n    b?: any,\n    },\n}"),
        # references
        ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "string"}}}, "string"),
        ({"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"const": 1}}}, "1"),
        ({"$ref": "#/anyOf/1", "anyOf": [{"const": 1}, {"const": 2}]}, "1 | 2"),
        ({"properties": {"a": {"$ref": "#/properties/b"}, "b": {"const": 1}}}, "{\na?: 1,\nb?: 1,\n}"),
        ({"properties": {"a": {"$ref": "#/$defs/d", "description": "near"}},
          "$defs": {"d": {"type": "string", "description": "far"}}}, "{\n// near\na?: string,\n}"),
        ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, "{\nnext?: any,\n}"),
        ({"properties": {"up": {"$ref": "#"}}}, "{\nup?: any,\n}"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "any"),
        ({"$ref": "https://example.org/x.json"}, "any"),
        ({"$ref": "#/nowhere/0"}, "any"),
        ({"$ref": "#/a/7", "a": []}, "any"),
        ({"$ref": 1, "type": "string"}, "string"),
        # allOf
        ({"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]},
                    {"properties": {"b": {"const": 2}}, "required": ["b"]}]}, "{\na: 1,\nb: 2,\n}"),
        ({"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"description": "A"}}}]},
         "{\n// A\na?: string,\n}"),
        ({"allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"type": "number"}}}, "number"),
        ({"allOf": [{"const": i} for i in range(100)]}, "0"),
        # variants that only add conditions, and such that share properties
        ({"properties": {"a": {}, "b": {}}, "oneOf": A_OR_B}, "{\na?: any,\nb?: any,\n}"),
        ({"oneOf": A_OR_B}, "\n | any\n | any"),
        ({"properties": {"a": {"const": 1}}, "required": ["a"],
          "anyOf": [{"properties": {"b": {"const": 2}}}, {"properties": {"c": {"const": 3}}}]},
         "\n | {\n   a: 1,\n   b?: 2,\n   }\n | {\n   a: 1,\n   c?: 3,\n   }"),
        # no schemas
        (None, "any"),
        (True, "any"),
        (False, "never"),
        ("string", "any"),
        ({"type": "file"}, "any"),
        ({"type": []}, "any"),
        ({"type": [1, None]}, "any"),
        ({"type": {"a": 1}, "enum": "abc", "oneOf": {}, "properties": [], "required": 3}, "{\n}"),
        ({"type": "object", "properties": {1: None, "a": {"default": {1, 2}, "examples": "x"}}},
         "{\n1?: any,\na?: any, // default: any\n}"),
    ],
)  # fmt: skip
def test_types(schema: object, text: str) -> None:
    assert type_text(schema) == text


def test_function() -> None:
    assert function_type("f", None) == "type f = () => any;"
    assert function_type("f", {}) == "type f = (_: any) => any;"
    union = {"oneOf": [{"type": "string"}, {"type": "number", "description": "n"}]}
    assert function_type("f", union) == "type f = (_: \n | string\n | number // n\n) => any;"


def test_comment() -> None:
    assert comment("a\n\nb\r\nc\rd\n", "  ") == ["  // a", "  // ", "  // b", "  // c", "  // d"]
    assert comment("") == comment(None) == comment(3) == []


KEYWORDS = [
    "type", "properties", "items", "prefixItems", "oneOf", "anyOf", "allOf", "enum", "const", "default",
    "description", "title", "examples", "required", "nullable", "additionalProperties", "$ref", "$defs",
]  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        ["object", "array", "string", "null", "#", "#/$defs", "#/oneOf/0", "#/properties/a", "a"]
    ),
)
ODD_SCHEMAS = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from([*KEYWORDS, "a", "b"]), inner, max_size=6),
    ),
    max_leaves=40,
)


@given(ODD_SCHEMAS)
def test_anything_is_rendered_and_always_the_same(schema: object) -> None:
    assert type_text(schema) == type_text(schema)


def nested(depth: int, *, by: str) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(depth):
        schema = {by: [schema]} if by in ("allOf", "anyOf", "oneOf") else {by: schema}
    return schema


def chain_of_references(n: int) -> dict[str, Any]:
    """Each definition holds the next one twice: 2^n objects if it were followed to the end."""
    defs = {
        f"d{i}": {"properties": {name: {"$ref": f"#/$defs/d{i + 1}"} for name in ("a", "b")}}
        for i in range(n)
    }
    return {"$ref": "#/$defs/d0", "$defs": defs}


def wide_all_of(n: int) -> dict[str, Any]:
    wide = {"properties": {f"p{i}": {"type": "string"} for i in range(n)}}
    return {"allOf": [{"$ref": "#/$defs/wide"}] * n + [wide] * n, "$defs": {"wide": wide}}


@pytest.mark.parametrize(
    "schema",
    [
        *(nested(100_000, by=by) for by in ("items", "allOf", "anyOf", "oneOf", "additionalProperties")),
        {"default": nested(100_000, by="items")},
        {"enum": [nested(100_000, by="allOf")]},
        chain_of_references(40),
        wide_all_of(3_000),
        {"anyOf": [{"$ref": f"#/anyOf/{i}"} for i in range(300)]},
        {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}] * 50}}, "$ref": "#/$defs/a"},
    ],
    ids=lambda schema: str(next(iter(schema))),
)
def test_endless_schemas_end(schema: Any) -> None:
    begin = time.perf_counter()
    assert "any" in type_text(schema)
    assert time.perf_counter() - begin < 5  # 0.2 s where nothing else runs


def test_depth_and_size_that_are_shown() -> None:
    """The bounds are far from what tools have."""
    deep: dict[str, Any] = {"const": "found"}
    for _ in range(30):
        deep = {"properties": {"a": deep}}
    assert '"found"' in type_text(deep)
    many = {"properties": {f"p{i}": {"type": "string", "description": "d"} for i in range(3_000)}}
    assert type_text(many).count("?: string,") == 3_000

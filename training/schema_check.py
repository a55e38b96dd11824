"""A validator for the part of JSON Schema that the generator uses; an unknown keyword is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_KNOWN: Final = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "description", "default"}
)
_TYPES: Final[Mapping[str, type]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
}


def is_valid(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a JSON value is as the schema demands. Raises KeyError for a schema with something unknown."""
    if unknown := schema.keys() - _KNOWN:
        raise KeyError(f"keywords that this validator does not know: {sorted(unknown)}")
    wanted = _TYPES[schema["type"]]
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, list):
        return all(is_valid(item, schema["items"]) for item in value)
    return not isinstance(value, dict) or _is_valid_object(value, schema)


def _is_valid_object(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    properties = schema.get("properties", {})
    if not schema.get("additionalProperties", True) and value.keys() - properties.keys():
        return False
    if any(key not in value for key in schema.get("required", ())):
        return False
    return all(is_valid(value[key], properties[key]) for key in value.keys() & properties.keys())

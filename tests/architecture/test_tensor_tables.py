"""The converter's tensor table against the engine's: what one writes, the other expects."""

from __future__ import annotations

from gptoss_gguf import _native

from convert import schema

# The converter's names of sizes -> the engine's.
SIZES = {
    "hidden": "hidden",
    "vocab": "vocab",
    "q_width": "query",
    "kv_width": "key_value",
    "heads": "heads",
    "experts": "expert",
    "ff": "ff",
}
# How the converter stores a tensor -> what the engine takes it for.
ROLES = {
    schema.Kind.DENSE: {"dense"},
    schema.Kind.EXPERTS: {"experts"},
    schema.Kind.FLOAT32: {"floats", "router"},
}
Row = tuple[
    str, bool, tuple[str, ...]
]  # name without "blk.N.", per layer, shape with the contiguous size first


def converter_rows() -> dict[Row, schema.Kind]:
    rules = (schema.EMBEDDING_RULE, *schema.LAYER_RULES, *schema.OUTPUT_RULES)
    return {
        (
            rule.gguf.removeprefix("blk.{layer}."),
            "{layer}" in rule.gguf,
            tuple(SIZES[size] for size in reversed(rule.shape)),
        ): rule.kind
        for rule in rules
    }


def engine_rows() -> dict[Row, str]:
    return {(name, per_layer, shape): role for name, per_layer, shape, role in _native.tensor_table()}


def test_both_tables_list_the_same_tensors() -> None:
    assert set(converter_rows()) == set(engine_rows())
    assert len(engine_rows()) == len(_native.tensor_table()) == 22


def test_both_tables_mean_the_same_kind() -> None:
    ours, theirs = engine_rows(), converter_rows()
    assert {row: role for row, role in ours.items() if role not in ROLES[theirs[row]]} == {}

"""config.json: whatever the engine takes for granted is checked, and every finding is listed."""

from __future__ import annotations

import json
from math import log
from pathlib import Path
from typing import Any

import pytest

from convert.config import ModelConfig, parse_config

YARN = {
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "factor": 32.0,
    "original_max_position_embeddings": 4096,
    "rope_type": "yarn",
    "truncate": False,
}


@pytest.fixture
def raw(tiny: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((tiny / "config.json").read_text())
    return loaded


def parse(raw: dict[str, Any]) -> tuple[ModelConfig, list[str]]:
    problems: list[str] = []
    return parse_config(raw, problems), problems


def test_sizes(raw: dict[str, Any]) -> None:
    config, problems = parse(raw)
    assert problems == []
    assert config == ModelConfig(
        n_layers=4, hidden=64, ff=64, heads=8, kv_heads=1, experts=8, vocab=320, context=131072, eps=1e-5,
        rope_theta=150000.0, rope_factor=32.0, rope_original_context=4096, beta_fast=32.0, beta_slow=1.0,
    )  # fmt: skip


def test_both_spellings_of_rope_mean_the_same(raw: dict[str, Any]) -> None:
    old, _ = parse(raw)
    del raw["rope_scaling"], raw["rope_theta"]
    raw["rope_parameters"] = {**YARN, "rope_theta": 150000.0}
    assert parse(raw) == (old, [])
    raw["rope_scaling"] = YARN  # both may be present when they agree
    assert parse(raw) == (old, [])


@pytest.mark.parametrize(
    "key",
    [
        "layer_types",
        "swiglu_limit",
        "head_dim",
        "attention_bias",
        "hidden_act",
        "tie_word_embeddings",
        "rope_theta",
    ],
)
def test_newer_fields_may_be_missing(raw: dict[str, Any], key: str) -> None:
    expected, _ = parse(raw)
    del raw[key]
    assert parse(raw) == (expected, [])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model_type", "llama", "model_type must be 'gpt_oss'"),
        ("model_type", None, "model_type must be"),
        ("head_dim", 128, "head_dim must be 64"),
        ("num_experts_per_tok", 2, "num_experts_per_tok must be 4"),
        ("sliding_window", 4096, "sliding_window must be 128"),
        ("sliding_window", None, "sliding_window must be 128"),
        ("swiglu_limit", 8.0, "swiglu_limit must be 7.0"),
        ("swiglu_alpha", 1.0, "swiglu_alpha must be 1.702"),
        ("attention_bias", False, "attention_bias must be True"),
        ("tie_word_embeddings", True, "tie_word_embeddings must be False"),
        ("tie_word_embeddings", 0, "tie_word_embeddings must be False"),
        ("num_attention_heads", 12, "num_attention_heads 12 must be 8 x"),
        ("hidden_size", 100, "hidden_size must be an integer from 32 to .*, a multiple of 32, not 100"),
        ("intermediate_size", True, "intermediate_size must be an integer"),
        ("num_local_experts", 3, "num_local_experts must be an integer from 4"),
        ("num_hidden_layers", -1, "num_hidden_layers must be an integer"),
        ("num_hidden_layers", "4", "num_hidden_layers must be an integer"),
        ("vocab_size", 0, "vocab_size must be an integer"),
        ("layer_types", ["full_attention", "sliding_attention"] * 2, "layer_types must alternate"),
        ("layer_types", ["sliding_attention"], "layer_types must alternate"),
        ("rms_norm_eps", -1e-5, "rms_norm_eps must be a positive number"),
        ("rms_norm_eps", float("nan"), "rms_norm_eps must be a positive number"),
        ("rope_scaling", None, "rope_scaling .* must be an object"),
        ("rope_scaling", {**YARN, "truncate": True}, "truncate must be False"),
        ("rope_scaling", {k: v for k, v in YARN.items() if k != "truncate"}, "truncate must be False"),
        ("rope_scaling", {**YARN, "rope_type": "llama3"}, "rope_type must be 'yarn'"),
        ("rope_scaling", {**YARN, "factor": 0}, "factor must be a positive number"),
        ("rope_scaling", {**YARN, "attention_factor": 1.0}, "attention_factor must be absent"),
        ("rope_scaling", {**YARN, "mscale": 1.0}, "mscale must be None"),
        ("rope_parameters", {**YARN, "factor": 16.0}, "disagree on factor"),
    ],
)
def test_each_assumption_is_checked(raw: dict[str, Any], key: str, value: object, message: str) -> None:
    raw[key] = value
    _, problems = parse(raw)
    assert len(problems) == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(problems[0])


def test_the_default_attention_factor_may_be_spelled_out(raw: dict[str, Any]) -> None:
    raw["rope_scaling"] = {**YARN, "attention_factor": 0.1 * log(32) + 1}
    assert parse(raw)[1] == []


def test_everything_wrong_is_listed_at_once(raw: dict[str, Any]) -> None:
    raw |= {"head_dim": 32, "sliding_window": 1, "vocab_size": 10**30, "rope_scaling": {}}
    _, problems = parse(raw)
    assert len(problems) == 3 + 4  # rope: type, truncate, factor, original context

"""config.json -> the sizes of a gpt-oss model, with everything the engine takes for granted checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any, Final

from .gguf_writer import MetaValue, ValueType
from .schema import ARCHITECTURE, MXFP4_BLOCK

HEAD_DIM: Final = 64
GROUP_SIZE: Final = 8  # query heads per key/value head
TOP_K: Final = 4
_FILE_TYPE_MXFP4_MOE: Final = 38
_QUANTIZATION_VERSION: Final = 2

# What native code holds as constants: (key, value, whether a config may leave it out).
_CONSTANTS: Final[tuple[tuple[str, object, bool], ...]] = (
    ("model_type", "gpt_oss", False),
    ("head_dim", HEAD_DIM, True),
    ("num_experts_per_tok", TOP_K, False),
    ("sliding_window", 128, False),
    ("swiglu_alpha", 1.702, True),
    ("swiglu_limit", 7.0, True),
    ("hidden_act", "silu", True),
    ("attention_bias", True, True),
    ("tie_word_embeddings", False, True),
)


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of one model; widths in elements, context lengths in tokens."""

    n_layers: int
    hidden: int
    ff: int
    heads: int
    kv_heads: int
    experts: int
    vocab: int
    context: int
    eps: float
    rope_theta: float
    rope_factor: float
    rope_original_context: int
    beta_fast: float
    beta_slow: float

    def dims(self) -> dict[str, int]:
        """The symbols of the tensor table."""
        return {
            "hidden": self.hidden,
            "vocab": self.vocab,
            "q_width": self.heads * HEAD_DIM,
            "kv_width": self.kv_heads * HEAD_DIM,
            "heads": self.heads,
            "experts": self.experts,
            "ff": self.ff,
        }

    def metadata(self) -> dict[str, MetaValue]:
        """The `gpt-oss.*` keys and the file's type, as llama.cpp names them."""
        ints = {
            "block_count": self.n_layers,
            "context_length": self.context,
            "embedding_length": self.hidden,
            "feed_forward_length": self.ff,
            "attention.head_count": self.heads,
            "attention.head_count_kv": self.kv_heads,
            "expert_count": self.experts,
            "expert_used_count": TOP_K,
            "attention.key_length": HEAD_DIM,
            "attention.value_length": HEAD_DIM,
            "attention.sliding_window": 128,
            "expert_feed_forward_length": self.ff,
            "rope.scaling.original_context_length": self.rope_original_context,
        }
        floats = {
            "rope.freq_base": self.rope_theta,
            "attention.layer_norm_rms_epsilon": self.eps,
            "rope.scaling.factor": self.rope_factor,
            "rope.scaling.yarn_beta_fast": self.beta_fast,
            "rope.scaling.yarn_beta_slow": self.beta_slow,
        }
        return {
            "general.file_type": MetaValue(ValueType.U32, _FILE_TYPE_MXFP4_MOE),
            "general.quantization_version": MetaValue(ValueType.U32, _QUANTIZATION_VERSION),
            **{f"{ARCHITECTURE}.{key}": MetaValue(ValueType.U32, value) for key, value in ints.items()},
            **{f"{ARCHITECTURE}.{key}": MetaValue(ValueType.F32, value) for key, value in floats.items()},
            f"{ARCHITECTURE}.rope.scaling.type": MetaValue(ValueType.STRING, "yarn"),
        }


class _Fields:
    """Typed access to one JSON object; a bad field is recorded and a harmless value returned in its place."""

    def __init__(self, raw: Mapping[str, Any], problems: list[str], prefix: str = "config.json: ") -> None:
        self.raw = raw
        self.problems = problems
        self.prefix = prefix

    def problem(self, text: str) -> None:
        self.problems.append(self.prefix + text)

    def size(self, key: str, multiple: int = 1, low: int = 1, high: int = 2**24) -> int:
        value = self.raw.get(key)
        if type(value) is int and low <= value <= high and value % multiple == 0:
            return value
        step = f", a multiple of {multiple}" if multiple > 1 else ""
        self.problem(f"{key} must be an integer from {low} to {high}{step}, not {value!r}")
        return low

    def positive(self, key: str, default: float | None = None) -> float:
        value = self.raw.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, int | float) and type(value) is not bool and 0 < value < 1e30:
            return float(value)
        self.problem(f"{key} must be a positive number, not {value!r}")
        return 1.0

    def constant(self, key: str, expected: object, optional: bool) -> None:
        value = self.raw.get(key)
        if value is None and optional:
            return
        if value != expected or isinstance(value, bool) != isinstance(expected, bool):
            self.problem(f"{key} must be {expected!r} (the engine supports nothing else), not {value!r}")


def parse_config(raw: Mapping[str, Any], problems: list[str]) -> ModelConfig:
    """The model's sizes; meaningful only if no line was appended to `problems`, one for each thing wrong."""
    fields = _Fields(raw, problems)
    for key, expected, optional in _CONSTANTS:
        fields.constant(key, expected, optional)
    n_layers = fields.size("num_hidden_layers", high=4096)
    heads, kv_heads = fields.size("num_attention_heads"), fields.size("num_key_value_heads")
    if heads != kv_heads * GROUP_SIZE:
        fields.problem(f"num_attention_heads {heads} must be {GROUP_SIZE} x num_key_value_heads {kv_heads}")
    _check_layer_types(fields)
    rope = _rope(fields)
    return ModelConfig(
        n_layers=n_layers,
        hidden=fields.size("hidden_size", multiple=MXFP4_BLOCK, low=MXFP4_BLOCK),
        ff=fields.size("intermediate_size", multiple=MXFP4_BLOCK, low=MXFP4_BLOCK),
        heads=heads,
        kv_heads=kv_heads,
        experts=fields.size("num_local_experts", low=TOP_K, high=65535),
        vocab=fields.size("vocab_size"),
        context=fields.size("max_position_embeddings", high=2**31 - 1),
        eps=fields.positive("rms_norm_eps", 1e-5),
        rope_theta=rope.positive("rope_theta", 150000.0),
        rope_factor=rope.positive("factor"),
        rope_original_context=rope.size("original_max_position_embeddings", high=2**31 - 1),
        beta_fast=rope.positive("beta_fast", 32.0),
        beta_slow=rope.positive("beta_slow", 1.0),
    )


def _check_layer_types(fields: _Fields) -> None:
    given, n_layers = fields.raw.get("layer_types"), fields.raw.get("num_hidden_layers")
    count = len(given) if isinstance(given, list) else 0
    expected = ["full_attention" if layer % 2 else "sliding_attention" for layer in range(count)]
    if given is not None and (given != expected or (type(n_layers) is int and 1 <= n_layers != count)):
        fields.problem("layer_types must alternate sliding_attention, full_attention, one per layer")


def _rope(fields: _Fields) -> _Fields:
    """The RoPE parameters, from `rope_parameters` (transformers 5) or `rope_scaling` + `rope_theta` (4.x)."""
    old, new = fields.raw.get("rope_scaling"), fields.raw.get("rope_parameters")
    given = new if new is not None else old
    if not isinstance(given, dict):
        fields.problem("rope_scaling (or rope_parameters) must be an object with the YaRN parameters")
        given = {"rope_type": "yarn", "truncate": False, "factor": 1, "original_max_position_embeddings": 1}
    raw = {"rope_theta": fields.raw.get("rope_theta"), **given}
    if isinstance(old, dict) and isinstance(new, dict):
        other = {"rope_theta": raw["rope_theta"], **old}
        differing = sorted(key for key in other.keys() & raw.keys() if other[key] != raw[key])
        if differing:
            fields.problem(f"rope_scaling and rope_parameters disagree on {', '.join(differing)}")
    rope = _Fields(raw, fields.problems, "config.json: rope parameters: ")
    rope.constant("rope_type", "yarn", optional=False)
    rope.constant("truncate", False, optional=False)
    for key in ("mscale", "mscale_all_dim"):
        rope.constant(key, None, optional=True)
    rope.constant("partial_rotary_factor", 1.0, optional=True)
    attention = raw.get("attention_factor")
    factor = raw.get("factor")
    if attention is not None and not _is_default_attention_factor(attention, factor):
        rope.problem(f"attention_factor must be absent or 0.1 * ln(factor) + 1, not {attention!r}")
    return rope


def _is_default_attention_factor(value: object, factor: object) -> bool:
    if not isinstance(value, int | float) or not isinstance(factor, int | float) or not factor > 0:
        return False
    return abs(value - (0.1 * log(factor) + 1)) < 1e-6

"""The tensors of a gpt-oss model: one table of GGUF names, Hugging Face names, shapes and kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

ARCHITECTURE = "gpt-oss"
MXFP4_BLOCK = 32  # weights that share one scale byte


class GgmlType(Enum):
    """A GGUF tensor type: (type id, weights per block, bytes per block)."""

    F32 = (0, 1, 4)
    F16 = (1, 1, 2)
    Q8_0 = (8, 32, 34)
    BF16 = (30, 1, 2)
    MXFP4 = (39, 32, 17)

    @property
    def id(self) -> int:
        """The number that stands for this type in a GGUF file."""
        return self.value[0]

    def n_bytes(self, n_weights: int) -> int:
        """Bytes that `n_weights` take; n_weights is a multiple of the block size."""
        _, items, size = self.value
        return n_weights // items * size


class Kind(Enum):
    """How a tensor is stored in the GGUF."""

    DENSE = "dense"  # the type chosen by the user: Q8_0, BF16 or F16
    FLOAT32 = "f32"  # norms, biases, sinks and the router, which are small and sensitive
    EXPERTS = "mxfp4"


class Rows(Enum):
    """Which rows of the source make the tensor: the checkpoint interleaves gate (even) and up (odd) rows."""

    ALL = slice(None)
    EVEN = slice(0, None, 2)
    ODD = slice(1, None, 2)


@dataclass(frozen=True)
class TensorRule:
    """One row of the table.

    `gguf` and `source` hold "{layer}" for per-layer tensors. `shape` is in row-major order (the last symbol
    is the contiguous dimension; ggml lists them the other way round) and describes the GGUF tensor. For
    experts, `source` is the stem: `<stem>_blocks` + `<stem>_scales` (MXFP4) or `<stem>` alone (unquantised
    and transposed).
    """

    gguf: str
    source: str
    shape: tuple[str, ...]
    kind: Kind
    rows: Rows = Rows.ALL


_HF = "model.layers.{layer}."
_BLK = "blk.{layer}."

EMBEDDING_RULE = TensorRule("token_embd.weight", "model.embed_tokens.weight", ("vocab", "hidden"), Kind.DENSE)

LAYER_RULES: tuple[TensorRule, ...] = tuple(
    TensorRule(_BLK + gguf, _HF + source, tuple(shape.split()), kind, rows)
    for gguf, source, shape, kind, rows in (
        ("attn_norm.weight", "input_layernorm.weight", "hidden", Kind.FLOAT32, Rows.ALL),
        ("attn_q.weight", "self_attn.q_proj.weight", "q_width hidden", Kind.DENSE, Rows.ALL),
        ("attn_q.bias", "self_attn.q_proj.bias", "q_width", Kind.FLOAT32, Rows.ALL),
        ("attn_k.weight", "self_attn.k_proj.weight", "kv_width hidden", Kind.DENSE, Rows.ALL),
        ("attn_k.bias", "self_attn.k_proj.bias", "kv_width", Kind.FLOAT32, Rows.ALL),
        ("attn_v.weight", "self_attn.v_proj.weight", "kv_width hidden", Kind.DENSE, Rows.ALL),
        ("attn_v.bias", "self_attn.v_proj.bias", "kv_width", Kind.FLOAT32, Rows.ALL),
        ("attn_output.weight", "self_attn.o_proj.weight", "hidden q_width", Kind.DENSE, Rows.ALL),
        ("attn_output.bias", "self_attn.o_proj.bias", "hidden", Kind.FLOAT32, Rows.ALL),
        ("attn_sinks.weight", "self_attn.sinks", "heads", Kind.FLOAT32, Rows.ALL),
        ("post_attention_norm.weight", "post_attention_layernorm.weight", "hidden", Kind.FLOAT32, Rows.ALL),
        ("ffn_gate_inp.weight", "mlp.router.weight", "experts hidden", Kind.FLOAT32, Rows.ALL),
        ("ffn_gate_inp.bias", "mlp.router.bias", "experts", Kind.FLOAT32, Rows.ALL),
        ("ffn_gate_exps.weight", "mlp.experts.gate_up_proj", "experts ff hidden", Kind.EXPERTS, Rows.EVEN),
        ("ffn_gate_exps.bias", "mlp.experts.gate_up_proj_bias", "experts ff", Kind.FLOAT32, Rows.EVEN),
        ("ffn_up_exps.weight", "mlp.experts.gate_up_proj", "experts ff hidden", Kind.EXPERTS, Rows.ODD),
        ("ffn_up_exps.bias", "mlp.experts.gate_up_proj_bias", "experts ff", Kind.FLOAT32, Rows.ODD),
        ("ffn_down_exps.weight", "mlp.experts.down_proj", "experts hidden ff", Kind.EXPERTS, Rows.ALL),
        ("ffn_down_exps.bias", "mlp.experts.down_proj_bias", "experts hidden", Kind.FLOAT32, Rows.ALL),
    )
)

OUTPUT_RULES: tuple[TensorRule, ...] = (
    TensorRule("output_norm.weight", "model.norm.weight", ("hidden",), Kind.FLOAT32),
    TensorRule("output.weight", "lm_head.weight", ("vocab", "hidden"), Kind.DENSE),
)


@dataclass(frozen=True)
class TensorSpec:
    """A rule applied to one layer of one model: names filled in, shape in numbers (row-major)."""

    name: str
    source: str
    shape: tuple[int, ...]
    kind: Kind
    rows: Rows


def model_tensors(dims: Mapping[str, int], n_layers: int) -> Iterator[TensorSpec]:
    """Every tensor of a model in file order. `dims` maps the symbols of the table (hidden, ...) to sizes."""

    def spec(rule: TensorRule, layer: int) -> TensorSpec:
        shape = tuple(dims[symbol] for symbol in rule.shape)
        name, source = rule.gguf.format(layer=layer), rule.source.format(layer=layer)
        return TensorSpec(name, source, shape, rule.kind, rule.rows)

    yield spec(EMBEDDING_RULE, 0)
    for layer in range(n_layers):
        for rule in LAYER_RULES:
            yield spec(rule, layer)
    for rule in OUTPUT_RULES:
        yield spec(rule, 0)

"""The written file, read back with the gguf package: keys, types, tensor table and every value."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
import pytest

from convert import Dense, convert_checkpoint
from convert.config import ModelConfig
from convert.safetensors_reader import TensorReader, list_tensors
from convert.schema import model_tensors
from convert.synthetic import SyntheticShape, write_synthetic_checkpoint
from convert.synthetic_vocab import byte_vocabulary
from convert.synthetic_weights import Experts

# key -> GGUF value type; "[...]" is an array of it. What llama.cpp writes for this architecture.
KEYS = {
    "general.architecture": "STRING",
    "general.type": "STRING",
    "general.name": "STRING",
    "general.size_label": "STRING",
    "general.file_type": "UINT32",
    "general.quantization_version": "UINT32",
    "gpt-oss.block_count": "UINT32",
    "gpt-oss.context_length": "UINT32",
    "gpt-oss.embedding_length": "UINT32",
    "gpt-oss.feed_forward_length": "UINT32",
    "gpt-oss.attention.head_count": "UINT32",
    "gpt-oss.attention.head_count_kv": "UINT32",
    "gpt-oss.expert_count": "UINT32",
    "gpt-oss.expert_used_count": "UINT32",
    "gpt-oss.attention.key_length": "UINT32",
    "gpt-oss.attention.value_length": "UINT32",
    "gpt-oss.attention.sliding_window": "UINT32",
    "gpt-oss.expert_feed_forward_length": "UINT32",
    "gpt-oss.rope.scaling.original_context_length": "UINT32",
    "gpt-oss.rope.freq_base": "FLOAT32",
    "gpt-oss.attention.layer_norm_rms_epsilon": "FLOAT32",
    "gpt-oss.rope.scaling.factor": "FLOAT32",
    "gpt-oss.rope.scaling.yarn_beta_fast": "FLOAT32",
    "gpt-oss.rope.scaling.yarn_beta_slow": "FLOAT32",
    "gpt-oss.rope.scaling.type": "STRING",
    "tokenizer.ggml.model": "STRING",
    "tokenizer.ggml.pre": "STRING",
    "tokenizer.ggml.tokens": "[STRING]",
    "tokenizer.ggml.token_type": "[INT32]",
    "tokenizer.ggml.merges": "[STRING]",
    "tokenizer.ggml.bos_token_id": "UINT32",
    "tokenizer.ggml.eos_token_id": "UINT32",
    "tokenizer.ggml.padding_token_id": "UINT32",
    "tokenizer.ggml.add_bos_token": "BOOL",
    "tokenizer.ggml.add_eos_token": "BOOL",
    "tokenizer.chat_template": "STRING",
}

# name -> (ggml shape, type) of the 20b model; per-layer names without "blk.N.".
TENSORS_20B = {
    "token_embd.weight": ([2880, 201088], "dense"),
    "output.weight": ([2880, 201088], "dense"),
    "output_norm.weight": ([2880], "F32"),
}
LAYER_20B = {
    "attn_norm.weight": ([2880], "F32"),
    "post_attention_norm.weight": ([2880], "F32"),
    "attn_q.weight": ([2880, 4096], "dense"),
    "attn_q.bias": ([4096], "F32"),
    "attn_k.weight": ([2880, 512], "dense"),
    "attn_k.bias": ([512], "F32"),
    "attn_v.weight": ([2880, 512], "dense"),
    "attn_v.bias": ([512], "F32"),
    "attn_output.weight": ([4096, 2880], "dense"),
    "attn_output.bias": ([2880], "F32"),
    "attn_sinks.weight": ([64], "F32"),
    "ffn_gate_inp.weight": ([2880, 32], "F32"),
    "ffn_gate_inp.bias": ([32], "F32"),
    "ffn_gate_exps.weight": ([2880, 2880, 32], "mxfp4"),
    "ffn_gate_exps.bias": ([2880, 32], "F32"),
    "ffn_up_exps.weight": ([2880, 2880, 32], "mxfp4"),
    "ffn_up_exps.bias": ([2880, 32], "F32"),
    "ffn_down_exps.weight": ([2880, 2880, 32], "mxfp4"),
    "ffn_down_exps.bias": ([2880, 32], "F32"),
}

# Unequal sizes everywhere, so that a swapped dimension shows.
SHAPE = SyntheticShape(n_layers=2, experts=5, hidden=64, ff=96, heads=16, kv_heads=2, vocab_size=290)
F32 = npt.NDArray[np.float32]


def convert(tmp_path: Path, dense: Dense, experts: Experts = "mxfp4") -> tuple[Path, gguf.GGUFReader]:
    src = tmp_path / experts
    vocab = [*byte_vocabulary(), b"he"]
    write_synthetic_checkpoint(src, SHAPE, 5, experts, vocab, max_shard_bytes=100_000)
    (src / "chat_template.jinja").write_text("{{ messages }}")
    out = tmp_path / f"{experts}-{dense}.gguf"
    convert_checkpoint(src, out, dense=dense)
    return src, gguf.GGUFReader(out)


def source_values(folder: Path) -> dict[str, F32]:
    """Every checkpoint tensor as float32, read literally."""
    result = {}
    with TensorReader() as reader:
        for name, stored in list_tensors(folder).items():
            raw = reader.read(stored, 0, stored.n_bytes)
            if stored.dtype == "BF16":
                raw = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
            result[name] = np.asarray(raw, np.float32).reshape(stored.shape)
    return result


def expert_values(values: dict[str, F32], stem: str) -> F32:
    """float32 [experts, rows, K] from MXFP4 blocks and scales."""
    grid = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
    grid = np.concatenate([grid, -grid])
    blocks, scales = values[f"{stem}_blocks"], values[f"{stem}_scales"]
    pairs = np.stack([grid[blocks.astype(int) & 15], grid[blocks.astype(int) >> 4]], axis=-1)
    weights = pairs.reshape(*scales.shape, 32) * 2.0 ** (scales[..., None].astype(np.float64) - 127)
    return weights.reshape(*scales.shape[:2], -1).astype(np.float32)


def expected_values(values: dict[str, F32], layer: int) -> dict[str, F32]:
    """GGUF name -> values of one layer, spelled out without the converter's table."""
    hf, blk = f"model.layers.{layer}.", f"blk.{layer}."
    result = {
        blk + "attn_norm.weight": values[hf + "input_layernorm.weight"],
        blk + "post_attention_norm.weight": values[hf + "post_attention_layernorm.weight"],
        blk + "attn_sinks.weight": values[hf + "self_attn.sinks"],
        blk + "ffn_down_exps.weight": expert_values(values, hf + "mlp.experts.down_proj"),
        blk + "ffn_down_exps.bias": values[hf + "mlp.experts.down_proj_bias"],
    }
    gate_up = expert_values(values, hf + "mlp.experts.gate_up_proj")
    gate_up_bias = values[hf + "mlp.experts.gate_up_proj_bias"]
    for part, name in enumerate(("gate", "up")):
        result[f"{blk}ffn_{name}_exps.weight"] = gate_up[:, part::2]
        result[f"{blk}ffn_{name}_exps.bias"] = gate_up_bias[:, part::2]
    for kind in ("weight", "bias"):
        result[f"{blk}ffn_gate_inp.{kind}"] = values[f"{hf}mlp.router.{kind}"]
        for gguf_name, hf_name in (("attn_q", "q"), ("attn_k", "k"), ("attn_v", "v"), ("attn_output", "o")):
            result[f"{blk}{gguf_name}.{kind}"] = values[f"{hf}self_attn.{hf_name}_proj.{kind}"]
    return result


def test_keys_and_their_types(tmp_path: Path) -> None:
    _, reader = convert(tmp_path, "q8_0")
    found = {}
    for key, field in reader.fields.items():
        if not key.startswith("GGUF."):
            kinds = [kind.name for kind in field.types]
            found[key] = f"[{kinds[1]}]" if kinds[0] == "ARRAY" else kinds[0]
    assert found == KEYS
    assert reader.fields["general.architecture"].contents() == "gpt-oss"
    assert reader.fields["general.file_type"].contents() == 38
    assert reader.fields["tokenizer.ggml.pre"].contents() == "gpt-4o"
    assert reader.fields["gpt-oss.attention.head_count_kv"].contents() == 2
    assert reader.fields["gpt-oss.expert_feed_forward_length"].contents() == 96
    assert len(reader.fields["tokenizer.ggml.tokens"].contents()) == 290


@pytest.mark.parametrize("dense", ["q8_0", "bf16", "f16"])
def test_every_tensor_has_its_type_and_values(tmp_path: Path, dense: Dense) -> None:
    src, reader = convert(tmp_path, dense)
    values = source_values(src)
    expected = {
        "token_embd.weight": values["model.embed_tokens.weight"],
        "output_norm.weight": values["model.norm.weight"],
        "output.weight": values["lm_head.weight"],
    }
    for layer in range(SHAPE.n_layers):
        expected |= expected_values(values, layer)
    kinds = {**TENSORS_20B, **LAYER_20B}
    assert {tensor.name for tensor in reader.tensors} == expected.keys()
    for tensor in reader.tensors:
        kind = kinds[tensor.name.removeprefix("blk.0.").removeprefix("blk.1.")][1]
        assert tensor.tensor_type.name.lower() == (dense if kind == "dense" else kind.lower())
        want = expected[tensor.name]
        assert tensor.shape.tolist() == list(want.shape[::-1])
        if kind == "dense" and dense != "bf16":
            qtype = gguf.GGMLQuantizationType[dense.upper()]
            want = gguf.quants.dequantize(gguf.quants.quantize(want, qtype), qtype)
        got = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(want.shape)
        np.testing.assert_array_equal(got, want, err_msg=tensor.name)


def test_unquantised_experts_on_the_grid_give_the_same_values(tmp_path: Path) -> None:
    _, packed = convert(tmp_path, "bf16", "mxfp4")
    _, plain = convert(tmp_path, "bf16", "bf16")
    for ours, theirs in zip(packed.tensors, plain.tensors, strict=True):
        assert (ours.name, ours.tensor_type) == (theirs.name, theirs.tensor_type)
        np.testing.assert_array_equal(
            gguf.quants.dequantize(ours.data, ours.tensor_type),
            gguf.quants.dequantize(theirs.data, theirs.tensor_type),
            err_msg=ours.name,
        )


def test_tensor_data_is_aligned_and_padded(tmp_path: Path) -> None:
    _, reader = convert(tmp_path, "q8_0")
    end = 0
    for tensor in reader.tensors:
        assert tensor.data_offset % 32 == 0
        assert tensor.data_offset >= end
        end = tensor.data_offset + int(tensor.n_bytes)
    assert (tmp_path / "mxfp4-q8_0.gguf").stat().st_size == -(-end // 32) * 32


@pytest.mark.parametrize(("n_layers", "experts", "n_tensors"), [(24, 32, 459), (36, 128, 687)])
def test_tensor_table_of_the_released_models(n_layers: int, experts: int, n_tensors: int) -> None:
    config = ModelConfig(n_layers, 2880, 2880, 64, 8, experts, 201088, 131072, 1e-5, 150000, 32, 4096, 32, 1)
    specs = list(model_tensors(config.dims(), n_layers))
    table = {
        **TENSORS_20B,
        **{f"blk.{layer}.{name}": row for layer in range(n_layers) for name, row in LAYER_20B.items()},
    }
    assert len(specs) == n_tensors
    assert {spec.name for spec in specs} == table.keys()
    for spec in specs:
        shape, kind = table[spec.name]
        shape = [experts if size == 32 else size for size in shape]
        assert list(spec.shape[::-1]) == shape, spec.name
        assert spec.kind.value == kind.lower()

"""The layouts of Ollama's own gpt-oss files: fused and renamed tensors, an old type id, missing keys.

All must give the logits of the plain file, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gptoss_gguf import LLM

from tests.parity.gguf_types.gguf_edit import F32, Gguf, Stored, as_pairs, dequantize, floats, quantized
from tests.parity.gguf_types.reference import reference_logits

Edit = Callable[[Gguf], None]

N_LAYERS: Final = 2
# What Ollama's files before 2026 leave to the reader.
MISSING_KEYS: Final = (
    "expert_feed_forward_length",
    "rope.scaling.type",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
)


def rename_tensors(contents: Gguf) -> None:
    for layer in range(N_LAYERS):
        for old, new in (
            ("attn_output.weight", "attn_out.weight"),
            ("attn_output.bias", "attn_out.bias"),
            ("post_attention_norm.weight", "ffn_norm.weight"),
            ("attn_sinks.weight", "attn_sinks"),
        ):
            contents.rename(f"blk.{layer}.{old}", f"blk.{layer}.{new}")


def fuse_qkv(contents: Gguf) -> None:
    """attn_qkv: the rows of q, k and v one under the other."""
    for layer in range(N_LAYERS):
        for suffix in ("weight", "bias"):
            parts = [contents.tensors.pop(f"blk.{layer}.attn_{part}.{suffix}") for part in "qkv"]
            outputs = sum(part.shape[-1] for part in parts)
            contents.tensors[f"blk.{layer}.attn_qkv.{suffix}"] = Stored(
                parts[0].type_id,
                (*parts[0].shape[:-1], outputs),
                np.concatenate([part.data for part in parts]),
            )


def fuse_gate_up(contents: Gguf) -> None:
    """ffn_gate_up_exps: gate and up with their rows interleaved, for each expert."""
    for layer in range(N_LAYERS):
        for suffix in ("weight", "bias"):
            gate, up = (
                contents.tensors.pop(f"blk.{layer}.ffn_{part}_exps.{suffix}") for part in ("gate", "up")
            )
            n_rows = int(np.prod(gate.shape[1:] if suffix == "weight" else gate.shape))
            rows = np.stack([gate.data.reshape(n_rows, -1), up.data.reshape(n_rows, -1)], axis=1)
            outputs = 1 if suffix == "weight" else 0
            shape = tuple(2 * size if axis == outputs else size for axis, size in enumerate(gate.shape))
            contents.tensors[f"blk.{layer}.ffn_gate_up_exps.{suffix}"] = Stored(
                gate.type_id, shape, rows.reshape(-1)
            )


def use_pair_nibbles(contents: Gguf) -> None:
    """Type id 4: MXFP4 with adjacent pairs in a byte."""
    for name, tensor in contents.tensors.items():
        if tensor.type_id == GGMLQuantizationType.MXFP4:
            contents.tensors[name] = as_pairs(tensor)


def use_bf16_biases(contents: Gguf) -> None:
    """Expert biases as BF16. They came from bf16 checkpoints, so nothing is lost."""
    for name, tensor in contents.tensors.items():
        if name.endswith("_exps.bias"):
            values: F32 = dequantize(tensor)
            contents.tensors[name] = quantized(values, GGMLQuantizationType.BF16)
            np.testing.assert_array_equal(dequantize(contents.tensors[name]), values)


def use_old_keys(contents: Gguf) -> None:
    """Architecture 'gptoss', also as the prefix of keys; some keys missing; tokenizer 'default'."""
    contents.metadata = {
        key.replace("gpt-oss.", "gptoss."): value
        for key, value in contents.metadata.items()
        if key.removeprefix("gpt-oss.") not in MISSING_KEYS
    }
    contents.set("general.architecture", "text", "gptoss")
    contents.set("tokenizer.ggml.pre", "text", "default")
    contents.set("general.file_type", "u32", 4)


def use_zero_keys(contents: Gguf) -> None:
    """Fine-tunes without OpenAI's own configuration fields."""
    architecture = "gptoss" if "gptoss.block_count" in contents.metadata else "gpt-oss"
    contents.set(f"{architecture}.expert_used_count", "u32", 0)
    contents.set(f"{architecture}.rope.scaling.original_context_length", "u32", 0)
    contents.set(f"{architecture}.rope.scaling.factor", "f32", 0.0)


def flatten_single_dimensions(contents: Gguf) -> None:
    """Trailing dimensions of size 1, as some writers have them."""
    for name in ("output_norm.weight", "blk.0.attn_q.bias"):
        tensor = contents.tensors[name]
        contents.tensors[name] = replace(tensor, shape=(*tensor.shape, 1, 1))


GENERATIONS: Final[dict[str, list[Edit]]] = {
    "A, 2025-08": [rename_tensors, fuse_qkv, fuse_gate_up, use_pair_nibbles, use_bf16_biases, use_old_keys],
    "B, fused gate and up": [rename_tensors, fuse_gate_up, use_pair_nibbles, use_old_keys],
    "C, type 39": [rename_tensors, fuse_qkv, fuse_gate_up, use_old_keys],
    "D, split": [rename_tensors, use_old_keys, use_zero_keys],
    "E, as llama.cpp": [use_zero_keys],
}
SINGLE: Final[tuple[Edit, ...]] = (
    rename_tensors,
    fuse_qkv,
    fuse_gate_up,
    use_pair_nibbles,
    use_bf16_biases,
    use_old_keys,
    use_zero_keys,
    flatten_single_dimensions,
)


def assert_same_logits(plain: Gguf, edits: list[Edit], ids: list[int], folder: Path) -> None:
    edited = plain.copy()
    for edit in edits:
        before = edited.copy()
        edit(edited)
        assert edited != before, edit
    files = plain.write(folder / "plain.gguf"), edited.write(folder / "edited.gguf")
    for device in ("reference", "cpu"):  # which packs the weights
        expected, found = (reference_logits(file, ids, device) for file in files)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", ["wide", "narrow"])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_generation(
    models: dict[str, Gguf], ids: list[int], tmp_path: Path, generation: str, shape: str
) -> None:
    assert_same_logits(models[shape], GENERATIONS[generation], ids, tmp_path)


@pytest.mark.parametrize("edit", SINGLE, ids=lambda edit: edit.__name__)
def test_each_habit_alone(models: dict[str, Gguf], ids: list[int], tmp_path: Path, edit: Edit) -> None:
    """Files mix the habits of several generations, so none may depend on another."""
    assert_same_logits(models["narrow"], [edit], ids, tmp_path)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q5_1", "F16", "F32"])
def test_fused_tensors_of_other_types(
    models: dict[str, Gguf], ids: list[int], tmp_path: Path, kind: str
) -> None:
    """`ollama create --quantize` rewrites fused tensors too; their parts are rows cut out of them."""
    plain = models["narrow"].copy()
    for name, tensor in plain.tensors.items():
        if any(part in name for part in ("attn_q.w", "attn_k.w", "attn_v.w", "gate_exps.w", "up_exps.w")):
            values = dequantize(tensor)
            plain.tensors[name] = (
                floats(values) if kind == "F32" else quantized(values, GGMLQuantizationType[kind])
            )
    assert_same_logits(plain, [fuse_qkv, fuse_gate_up], ids, tmp_path)


def test_control_tokens_come_from_names(models: dict[str, Gguf], file: Path) -> None:
    """These files give another end token and pre-tokenizer; the tokenizer must not care."""
    texts = ["It's 12345\n\n  na\u00efve <|end|>", "\u4f60\u597d, HTTPServer!"]
    contents = models["narrow"].copy()
    with LLM(str(contents.write(file)), device="reference", n_ctx=64) as llm:
        specials = dict(llm.tokenizer.specials)
        tokens = [llm.tokenizer.encode(text) for text in texts]
    contents.set("tokenizer.ggml.eos_token_id", "u32", specials["<|endoftext|>"])
    use_old_keys(contents)
    with LLM(str(contents.write(file)), device="reference", n_ctx=64) as llm:
        assert dict(llm.tokenizer.specials) == specials
        assert [llm.tokenizer.encode(text) for text in texts] == tokens

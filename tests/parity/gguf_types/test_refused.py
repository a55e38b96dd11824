"""Files that are no usable gpt-oss: one error that names everything wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gptoss_gguf import LLM
from gptoss_gguf.errors import ModelFileError

from tests.parity.gguf_types.gguf_edit import Gguf, Stored


def refusal(contents: Gguf, path: Path) -> str:
    """The error of opening a file."""
    with pytest.raises(ModelFileError) as caught:
        LLM(str(contents.write(path)), device="reference").close()
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


@pytest.mark.parametrize("tensor", ["blk.1.attn_q.weight", "blk.0.ffn_up_exps.weight"])
@pytest.mark.parametrize("kind", ["TQ1_0", "TQ2_0", "IQ2_XXS", "IQ2_S", "IQ3_S", "IQ1_M", "Q8_1", "NVFP4"])
def test_unreadable_type_is_named(models: dict[str, Gguf], file: Path, kind: str, tensor: str) -> None:
    contents = models["wide"].copy()
    type_id = GGMLQuantizationType[kind]
    old = contents.tensors[tensor]
    items, size = GGML_QUANT_SIZES[type_id]
    data = np.zeros(int(np.prod(old.shape)) // items * size, np.uint8)
    contents.tensors[tensor] = Stored(type_id, old.shape, data)
    message = refusal(contents, file)
    assert tensor in message
    assert kind in message


@pytest.mark.parametrize(
    "tensor", ["blk.0.attn_norm.weight", "blk.1.ffn_gate_inp.weight", "blk.0.ffn_down_exps.bias"]
)
def test_small_tensors_must_not_be_quantised(models: dict[str, Gguf], file: Path, tensor: str) -> None:
    contents = models["wide"].copy()
    old = contents.tensors[tensor]
    data = np.zeros(int(np.prod(old.shape)) // 32 * 34, np.uint8)
    contents.tensors[tensor] = Stored(GGMLQuantizationType.Q8_0, old.shape, data)
    message = refusal(contents, file)
    assert tensor in message
    assert "Q8_0" in message


def test_every_problem_is_in_one_error(models: dict[str, Gguf], file: Path) -> None:
    contents = models["narrow"].copy()
    contents.set("gpt-oss.attention.key_length", "u32", 128)
    contents.set("gpt-oss.attention.sliding_window", "u32", 4096)
    contents.set("gpt-oss.expert_used_count", "u32", 8)
    contents.set("gpt-oss.rope.scaling.type", "text", "linear")
    del contents.metadata["gpt-oss.rope.freq_base"]
    del contents.tensors["blk.0.attn_k.bias"], contents.tensors["output.weight"]
    for name in ("blk.1.attn_v.weight", "blk.1.ffn_down_exps.weight"):
        old = contents.tensors[name]
        contents.tensors[name] = replace(old, shape=(old.shape[0], old.shape[1] // 2, *old.shape[2:]))
    contents.tensors["blk.0.ffn_gate_shexp.weight"] = contents.tensors["blk.0.attn_k.weight"]
    contents.rename("blk.1.attn_sinks.weight", "blk.1.attn_sink.weight")
    message = refusal(contents, file)
    assert "12 problems\n  - " in message
    for named in (
        "gpt-oss.attention.key_length is 128",
        "gpt-oss.attention.sliding_window is 4096",
        "gpt-oss.expert_used_count is 8",
        "gpt-oss.rope.scaling.type is 'linear'",
        "gpt-oss.rope.freq_base is missing",
        "blk.0.attn_k.bias is missing",
        "output.weight is missing",
        "blk.1.attn_v.weight has shape [96, 64]",
        "blk.1.ffn_down_exps.weight has shape [64, 48, 4]",
        "blk.0.ffn_gate_shexp.weight",
        "blk.1.attn_sinks.weight is missing",
        "blk.1.attn_sink.weight",
    ):
        assert named in message, named
    assert len(re.findall(r"\b(?:key|tensor) (?:gpt-oss|blk|output)\.", message)) == 12


def test_another_architecture(models: dict[str, Gguf], file: Path) -> None:
    contents = models["narrow"].copy()
    contents.set("general.architecture", "text", "llama")
    message = refusal(contents, file)
    assert "'llama'" in message
    assert "\n" not in message  # that its other keys are unlike gpt-oss's goes without saying


def test_long_lists_are_complete(models: dict[str, Gguf], file: Path) -> None:
    contents = models["narrow"].copy()
    expected = [name for name in contents.tensors if name.startswith("blk.")]
    for name in expected:
        del contents.tensors[name]
    message = refusal(contents, file)
    assert all(f"tensor {name} is missing" in message for name in expected)

"""convert_checkpoint and plan_conversion: all findings in one error, and all or nothing on disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert import ConvertError, Dense, convert_checkpoint, plan_conversion
from convert.safetensors_reader import list_tensors


def rewrite_header(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the JSON header of model.safetensors and keeps the data."""
    path = folder / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


def poke(folder: Path, tensor: str, offset: int, value: bytes) -> None:
    """Overwrites bytes of a tensor's data."""
    stored = list_tensors(folder)[tensor]
    with stored.path.open("r+b") as file:
        file.seek(stored.offset + offset)
        file.write(value)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("dense", ["q8_0", "bf16", "f16"])
def test_plan_is_what_gets_written(tiny: Path, tmp_path: Path, dense: Dense) -> None:
    plan = plan_conversion(tiny, dense)
    calls: list[tuple[int, int]] = []
    out = tmp_path / "out.gguf"
    convert_checkpoint(tiny, out, dense=dense, progress=lambda done, total: calls.append((done, total)))
    assert out.stat().st_size == plan.n_bytes
    assert {total for _, total in calls} == {plan.n_bytes}
    assert calls[-1][0] == plan.n_bytes
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert files(tmp_path) == ["out.gguf", "tiny"]
    assert plan.metadata["gpt-oss.block_count"] == 4
    assert plan.metadata["tokenizer.ggml.tokens"] == "string[320]"
    assert not any(tensor.requantized for tensor in plan.tensors)


def test_plan_names_the_experts_that_will_be_rounded(tiny_bf16: Path) -> None:
    rounded = {tensor.name for tensor in plan_conversion(tiny_bf16).tensors if tensor.requantized}
    assert rounded == {f"blk.{i}.ffn_{part}_exps.weight" for i in range(4) for part in ("gate", "up", "down")}


def test_missing_surplus_and_misshaped_tensors_are_all_listed(tiny: Path) -> None:
    def damage(header: dict[str, Any]) -> None:
        header["model.layers.1.extra"] = header.pop("model.layers.1.self_attn.sinks")
        header["model.norm.weight"]["shape"] = [8, 8]
        header["model.layers.0.mlp.router.bias"] |= {"dtype": "I16"}
        header.pop("model.layers.2.mlp.experts.down_proj_scales")

    rewrite_header(tiny, damage)
    config = json.loads((tiny / "config.json").read_text())
    config["eos_token_id"] = 10**6
    (tiny / "config.json").write_text(json.dumps(config))
    (tiny / "tokenizer_config.json").unlink()
    with pytest.raises(ConvertError) as caught:
        plan_conversion(tiny)
    assert sorted(caught.value.problems) == [
        "eos token id 1000000 is outside the vocabulary of 320",
        "misshaped tensor model.norm.weight: [8, 8] in model.safetensors, expected [64]",
        "missing tensor model.layers.1.self_attn.sinks",
        "missing tensor model.layers.2.mlp.experts.down_proj_scales",
        "surplus tensor model.layers.1.extra",
        "tensor model.layers.0.mlp.router.bias has dtype I16 in model.safetensors, "
        "expected BF16 or F16 or F32",
    ]
    assert str(caught.value).startswith(f"{tiny}: 6 problems\n  - ")


def test_packed_and_plain_experts_together_are_surplus(tiny: Path) -> None:
    def damage(header: dict[str, Any]) -> None:
        stem = "model.layers.0.mlp.experts.down_proj"
        header[stem] = {"dtype": "BF16", "shape": [8, 64, 0], "data_offsets": [0, 0]}

    rewrite_header(tiny, damage)
    with pytest.raises(ConvertError) as caught:
        plan_conversion(tiny)
    assert len([line for line in caught.value.problems if line.startswith("surplus tensor")]) == 2


def test_configuration_and_weights_are_both_reported(tiny: Path) -> None:
    config = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps({**config, "head_dim": 80}))
    (tiny / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConvertError) as caught:
        plan_conversion(tiny)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "is no folder"),
        (lambda folder: (folder / "config.json").unlink(), "config.json: file is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json: is not valid JSON"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json: file is missing"),
    ],
)
def test_broken_folders(tiny: Path, tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(tiny)
    with pytest.raises(ConvertError, match=message):
        convert_checkpoint(tiny, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


def test_unknown_dense_type(tiny: Path) -> None:
    with pytest.raises(ConvertError, match="q8_0, bf16, f16"):
        plan_conversion(tiny, "q4_k")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tensor", "offset", "value", "message"),
    [
        ("model.layers.0.self_attn.q_proj.weight", 6, b"\x80\x7f", "weight 3 at byte .* is NaN or infinite"),
        ("model.layers.1.self_attn.sinks", 2, b"\xc0\x7f", "weight 1 at byte .* is NaN or infinite"),
        ("model.layers.3.mlp.experts.gate_up_proj_scales", 300, b"\xff", "scale byte 255 at byte"),
    ],
)
def test_weights_that_are_not_finite(
    tiny: Path, tmp_path: Path, tensor: str, offset: int, value: bytes, message: str
) -> None:
    poke(tiny, tensor, offset, value)
    with pytest.raises(ConvertError, match=message) as caught:
        convert_checkpoint(tiny, tmp_path / "out.gguf", dense="bf16")
    assert tensor in str(caught.value)
    assert files(tmp_path) == ["tiny"]


def test_nan_in_unquantised_experts(tiny_bf16: Path, tmp_path: Path) -> None:
    poke(tiny_bf16, "model.layers.2.mlp.experts.down_proj", 64 * 64 * 2 * 7 + 20, b"\xff\xff")
    with pytest.raises(ConvertError, match=r"layers\.2\.mlp\.experts\.down_proj: weight 28682 "):
        convert_checkpoint(tiny_bf16, tmp_path / "out.gguf")


def test_f16_refuses_what_it_cannot_hold(tiny: Path, tmp_path: Path) -> None:
    poke(tiny, "lm_head.weight", 0, np.array([70000.0], "<f4").tobytes()[2:])
    with pytest.raises(ConvertError, match=r"lm_head\.weight: magnitude 69632 does not fit F16"):
        convert_checkpoint(tiny, tmp_path / "out.gguf", dense="f16")
    convert_checkpoint(tiny, tmp_path / "out.gguf", dense="q8_0")


def test_existing_output_needs_overwrite(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    out.write_bytes(b"precious")
    with pytest.raises(ConvertError, match="already exists"):
        convert_checkpoint(tiny, out)
    assert out.read_bytes() == b"precious"
    convert_checkpoint(tiny, out, overwrite=True)
    assert out.stat().st_size == plan_conversion(tiny).n_bytes


def test_output_that_appears_meanwhile_is_kept(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    with pytest.raises(ConvertError, match="already exists"):
        convert_checkpoint(tiny, out, progress=lambda *_: out.touch())
    assert out.stat().st_size == 0
    assert files(tmp_path) == ["out.gguf", "tiny"]


@pytest.mark.parametrize(
    ("name", "message"), [("tiny", "is a folder"), ("absent/out.gguf", "does not exist")]
)
def test_bad_output_path(tiny: Path, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ConvertError, match=message):
        convert_checkpoint(tiny, tmp_path / name, overwrite=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("overwrite", [False, True])
def test_interruption_leaves_nothing(
    tiny: Path, tmp_path: Path, error: type[BaseException], overwrite: bool
) -> None:
    out = tmp_path / "out.gguf"
    if overwrite:
        out.write_bytes(b"old")
    before = files(tmp_path)
    during: list[str] = []

    def interrupt(done: int, total: int) -> None:
        if done > total // 2:
            during.extend(files(tmp_path))
            raise error

    with pytest.raises(error):
        convert_checkpoint(tiny, out, progress=interrupt, overwrite=overwrite)
    assert files(tmp_path) == before
    assert len(during) == len(before) + 1
    assert not overwrite or out.read_bytes() == b"old"


def test_disk_space_is_checked_first(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need = plan_conversion(tiny).n_bytes
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, need - 1))
    with pytest.raises(ConvertError, match=r"needs 0\.00 GB, but .* has 0\.00 GB free"):
        convert_checkpoint(tiny, tmp_path / "out.gguf")
    assert files(tmp_path) == ["tiny"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, need))
    convert_checkpoint(tiny, tmp_path / "out.gguf")


def test_full_disk_while_writing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConvertError, match="conversion stopped: No space left on device"):
        convert_checkpoint(tiny, tmp_path / "out.gguf")
    assert files(tmp_path) == ["tiny"]


def test_shard_that_is_cut_meanwhile(tiny: Path, tmp_path: Path) -> None:
    weights = tiny / "model.safetensors"
    cut: Iterator[None] = iter([None])

    def shorten(*_: int) -> None:
        if next(cut, "done") is None:
            os.truncate(weights, weights.stat().st_size // 2)

    with pytest.raises(ConvertError, match="inside a tensor"):
        convert_checkpoint(tiny, tmp_path / "out.gguf", progress=shorten)
    assert files(tmp_path) == ["tiny"]

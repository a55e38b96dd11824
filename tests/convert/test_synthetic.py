"""Synthetic checkpoints are the same bytes everywhere and follow the real vocabulary."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convert import ConvertError, plan_conversion
from convert.safetensors_reader import list_tensors
from convert.synthetic import TINY, gpt_oss_20b, gpt_oss_120b, main, write_synthetic_checkpoint
from convert.synthetic_vocab import byte_vocabulary, merges, read_tiktoken, special_id, tokenizer_json
from convert.synthetic_weights import hash64, normal
from tests.fixtures.models import GOLDENS, MODELS, build

ROOT = Path(__file__).resolve().parents[2]
O200K = Path(os.environ.get("GPTOSS_SHARED", ROOT.parent / "shared")) / "data" / "o200k_base.tiktoken"


def test_the_hash_is_splitmix64() -> None:
    """Written out with Python integers."""
    key = int.from_bytes(hashlib.sha256(b"3/name").digest()[:8], "little")
    mask = 2**64 - 1
    for counter in (0, 1, 12345):
        x = (counter * 0x9E3779B97F4A7C15 + key) & mask
        x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ x >> 27) * 0x94D049BB133111EB) & mask
        assert int(hash64(3, "name", counter, 1)[0]) == x ^ x >> 31


def test_values_do_not_depend_on_the_piece_size() -> None:
    whole = normal(1, "t", 0, 1000)
    np.testing.assert_array_equal(whole[300:400], normal(1, "t", 300, 100))
    assert abs(float(whole.mean())) < 0.1
    assert 0.9 < float(whole.std()) < 1.1


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("experts", ["mxfp4", "bf16"])
def test_golden_checkpoints_are_rebuilt_byte_for_byte(name: str, experts: str, tmp_path: Path) -> None:
    build(name, experts, tmp_path)  # type: ignore[arg-type]
    digest = hashlib.sha256()
    for path in sorted(tmp_path.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    assert digest.hexdigest() == json.loads((GOLDENS / "checkpoints.json").read_text())[name][experts]


def test_tiny_is_small_and_seeds_differ(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_synthetic_checkpoint(tmp_path / str(seed), TINY, seed)
    weights = [(tmp_path / str(seed) / "model.safetensors").read_bytes() for seed in (0, 1)]
    assert weights[0] != weights[1]
    assert len(weights[0]) == len(weights[1]) < 3_000_000


def test_shards_hold_the_same_tensors_as_one_file(tmp_path: Path) -> None:
    write_synthetic_checkpoint(tmp_path / "one", TINY)
    write_synthetic_checkpoint(tmp_path / "many", TINY, max_shard_bytes=200_000)
    one, many = list_tensors(tmp_path / "one"), list_tensors(tmp_path / "many")
    assert len({tensor.path for tensor in many.values()}) > 3
    for name, tensor in one.items():
        first, second = (t.path.read_bytes()[t.offset : t.offset + t.n_bytes] for t in (tensor, many[name]))
        assert first == second, name


def test_vocabulary_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="exceed vocab_size 320"):
        write_synthetic_checkpoint(tmp_path, TINY, vocab=[bytes([i]) for i in range(256)] * 2)


def test_presets() -> None:
    assert (gpt_oss_20b().n_layers, gpt_oss_20b().experts) == (24, 32)
    assert (gpt_oss_120b(3).n_layers, gpt_oss_120b(3).experts) == (3, 128)
    assert gpt_oss_120b().vocab_size == 201088


def test_merges_of_a_small_vocabulary() -> None:
    ranks = [b"a", b"b", b"c", b"ab", b"bc", b"abc"]
    assert list(merges(ranks)) == [(b"a", b"b"), (b"b", b"c"), (b"a", b"bc"), (b"ab", b"c")]


def test_command_line(tmp_path: Path) -> None:
    ranks = [*byte_vocabulary(), b"he"]
    vocab = tmp_path / "small.tiktoken"
    encoded = [base64.b64encode(token) + b" %d" % rank for rank, token in enumerate(ranks)]
    vocab.write_bytes(b"\n".join(encoded))
    arguments = [
        str(tmp_path / "m"),
        "--layers",
        "2",
        "--seed",
        "7",
        "--experts",
        "bf16",
        "--vocab",
        str(vocab),
    ]
    run = subprocess.run(
        [sys.executable, "-m", "convert.synthetic", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2 layers" in run.stdout
    plan = plan_conversion(tmp_path / "m")
    assert plan.metadata["gpt-oss.block_count"] == 2
    assert plan.metadata["tokenizer.ggml.merges"] == "string[1]"
    assert sum(tensor.requantized for tensor in plan.tensors) == 6


@pytest.mark.parametrize(
    ("content", "message"), [(b"!! 0", "line 1 holds no base64"), (b"YQ== 0\nYg== 2", "line 2 has rank")]
)
def test_bad_vocabulary_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    (tmp_path / "v").write_bytes(content)
    assert main([str(tmp_path / "m"), "--vocab", str(tmp_path / "v")]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not O200K.is_file(), reason=f"needs {O200K} (set GPTOSS_SHARED)")
def test_full_vocabulary_has_the_real_ids_and_merges() -> None:
    ranks = read_tiktoken(O200K)
    tokenizer = tokenizer_json(ranks, 201088)
    assert len(ranks) == 199998
    assert len(tokenizer["model"]["merges"]) == 446189  # as in the published files
    names = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    assert len(names) == 1090
    real = {
        "<|startoftext|>": 199998, "<|endoftext|>": 199999, "<|reserved_200000|>": 200000,
        "<|return|>": 200002, "<|constrain|>": 200003, "<|channel|>": 200005, "<|start|>": 200006,
        "<|end|>": 200007, "<|message|>": 200008, "<|call|>": 200012, "<|endofprompt|>": 200018,
        "<|reserved_201087|>": 201087,
    }  # fmt: skip
    assert {name: names[name] for name in real} == real
    assert special_id("<|call|>", 199998) == 200012

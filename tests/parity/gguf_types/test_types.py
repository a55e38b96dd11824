"""Tensors of every readable type: the same logits as those of the twin file with the dequantised weights.

Types that the engine computes with equal their F32 twin; those that it converts at load equal their Q8_0
twin, both as the `gguf` package makes them. Equal means the same bits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.parity.gguf_types.blocks import CONVERTED, NATIVE, block_size, f32_twin, random_tensor
from tests.parity.gguf_types.gguf_edit import Gguf, as_f32, as_q8_0, dequantize, matrices, replaced
from tests.parity.gguf_types.reference import reference_logits


def chosen(contents: Gguf, kind: str, role: str) -> list[str]:
    """The expert or the dense matrices whose rows are whole blocks of the type."""
    return [
        name
        for name in matrices(contents)
        if ("_exps" in name) == (role == "experts")
        and contents.tensors[name].shape[0] % block_size(kind) == 0
    ]


def in_type(contents: Gguf, kind: str, role: str) -> Gguf:
    rng = np.random.default_rng(len(kind) + len(role))
    names = chosen(contents, kind, role)
    assert names, f"no {role} tensor can be {kind}"
    return replaced(contents, names, lambda tensor: random_tensor(kind, tensor, rng))


@pytest.mark.parametrize("role", ["dense", "experts"])
@pytest.mark.parametrize("kind", [*NATIVE, *CONVERTED])
def test_type_equals_its_twin(
    models: dict[str, Gguf], ids: list[int], tmp_path: Path, kind: str, role: str
) -> None:
    contents = in_type(models["wide"], kind, role)
    logits = reference_logits(contents.write(tmp_path / "typed.gguf"), ids)
    assert np.isfinite(logits).all()
    assert logits.std() > 0.5
    change = as_f32 if kind in NATIVE else as_q8_0
    twin = replaced(contents, chosen(contents, kind, role), change)
    np.testing.assert_array_equal(logits, reference_logits(twin.write(tmp_path / "twin.gguf"), ids))


@pytest.mark.parametrize("kind", [kind for kind in CONVERTED if block_size(kind) == 256])
def test_k_quants_only_where_rows_allow(
    models: dict[str, Gguf], ids: list[int], tmp_path: Path, kind: str
) -> None:
    """As in files of the real models, only attn_output is wide enough."""
    names = chosen(models["narrow"], kind, "dense")
    assert {name.split(".")[-2] for name in names} == {"attn_output"}
    contents = in_type(models["narrow"], kind, "dense")
    twin = replaced(contents, matrices(contents), f32_twin)
    np.testing.assert_array_equal(
        reference_logits(contents.write(tmp_path / "typed.gguf"), ids),
        reference_logits(twin.write(tmp_path / "twin.gguf"), ids),
    )


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_small_tensors_may_be_halves(
    models: dict[str, Gguf], ids: list[int], tmp_path: Path, kind: str
) -> None:
    """Norms, biases, sinks and the router, which are F32 in most files."""
    contents = models["narrow"]
    small = [name for name in contents.tensors if name not in matrices(contents)]
    rng = np.random.default_rng(3)
    typed = replaced(contents, small, lambda tensor: random_tensor(kind, tensor, rng))
    twin = replaced(typed, small, as_f32)
    logits = reference_logits(typed.write(tmp_path / "typed.gguf"), ids)
    np.testing.assert_array_equal(logits, reference_logits(twin.write(tmp_path / "twin.gguf"), ids))
    assert dequantize(typed.tensors["output_norm.weight"]).std() > 0

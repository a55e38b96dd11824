"""Files by llama.cpp's own quantiser, with its mixtures and fallbacks, against their dequantised twins."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from tests.parity.gguf_types.blocks import f32_twin
from tests.parity.gguf_types.gguf_edit import Gguf, as_f32, matrices, read_gguf, replaced
from tests.parity.gguf_types.reference import reference_logits
from tests.parity.llama_cpp.worker import Llama

# llama_ftype, and the types that it must give the wide and the narrow model (among others).
FTYPES: Final = {
    "F32": (0, {"F32"}, {"F32"}),
    "F16": (1, {"F16"}, {"F16"}),
    "BF16": (32, {"BF16"}, {"BF16"}),
    "Q4_0": (2, {"Q4_0"}, {"Q4_0"}),
    "Q4_1": (3, {"Q4_1"}, {"Q4_1"}),
    "Q5_0": (8, {"Q5_0"}, {"Q5_0"}),
    "Q5_1": (9, {"Q5_1"}, {"Q5_1"}),
    "Q8_0": (7, {"Q8_0"}, {"Q8_0"}),
    "IQ4_NL": (25, {"IQ4_NL", "Q5_K"}, {"IQ4_NL", "Q5_1"}),
    "IQ4_XS": (30, {"IQ4_XS", "Q5_K"}, {"IQ4_XS", "IQ4_NL"}),
    "Q2_K": (10, {"Q2_K", "Q3_K", "Q4_K"}, {"Q3_K", "Q4_0"}),
    "Q3_K_S": (11, {"Q3_K"}, {"Q3_K", "Q4_0"}),
    "Q3_K_M": (12, {"Q3_K", "Q4_K", "Q5_K"}, {"Q4_K", "Q5_0", "Q5_1"}),
    "Q3_K_L": (13, {"Q3_K", "Q5_K"}, {"Q5_K", "Q5_1"}),
    "Q4_K_S": (14, {"Q4_K"}, {"Q4_K", "Q5_0"}),
    "Q4_K_M": (15, {"Q4_K", "Q6_K"}, {"Q4_K", "Q5_0", "Q8_0"}),
    "Q5_K_S": (16, {"Q5_K"}, {"Q5_K", "Q5_1"}),
    "Q5_K_M": (17, {"Q5_K", "Q6_K"}, {"Q5_K", "Q5_1"}),
    "Q6_K": (18, {"Q6_K"}, {"Q6_K", "Q8_0"}),
    "MXFP4_MOE": (38, {"MXFP4", "Q8_0"}, {"MXFP4", "Q8_0"}),
}
MXFP4: Final = 39


def assert_equals_twin(path: Path, ids: list[int]) -> Gguf:
    """Logits == those of the file with what we compute with stored as F32. Returns the contents."""
    contents = read_gguf(path)
    twin = replaced(contents, matrices(contents), f32_twin).write(path.with_name("twin.gguf"))
    logits = reference_logits(path, ids)
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(logits, reference_logits(twin, ids))
    return contents


def types_of(contents: Gguf, part: str = "") -> Counter[str]:
    return Counter(contents.tensors[name].type_name for name in matrices(contents) if part in name)


@pytest.mark.parametrize("shape", ["wide", "narrow"])
@pytest.mark.parametrize("name", FTYPES)
def test_mixture_equals_its_twin(
    llama: Llama, models: dict[str, Gguf], ids: list[int], tmp_path: Path, name: str, shape: str
) -> None:
    """Everything quantised, experts too."""
    source, path = tmp_path / "source.gguf", tmp_path / "quantised.gguf"
    contents = models[shape]
    replaced(contents, matrices(contents), as_f32).write(source)
    ftype, wide_types, narrow_types = FTYPES[name]
    llama.quantize(source, path, ftype)
    types = types_of(assert_equals_twin(path, ids))
    assert (wide_types if shape == "wide" else narrow_types) <= types.keys(), types


@pytest.mark.parametrize("name", ["Q4_K_M", "Q5_K_M", "Q6_K", "Q2_K", "IQ4_XS"])
def test_experts_stay_mxfp4(
    llama: Llama, models: dict[str, Gguf], ids: list[int], tmp_path: Path, name: str
) -> None:
    """As in the files that people have: only the dense tensors are quantised further."""
    source, path = tmp_path / "source.gguf", tmp_path / "quantised.gguf"
    models["narrow"].write(source)
    llama.quantize(
        source, path, FTYPES[name][0], allow_requantize=True, overrides=[("ffn_.*_exps.weight", MXFP4)]
    )
    contents = assert_equals_twin(path, ids)
    assert types_of(contents, "_exps").keys() == {"MXFP4"}
    for tensor in matrices(contents):
        if "_exps" in tensor:  # not requantised either
            np.testing.assert_array_equal(
                contents.tensors[tensor].data, models["narrow"].tensors[tensor].data
            )


def test_types_may_differ_from_tensor_to_tensor(
    llama: Llama, models: dict[str, Gguf], ids: list[int], tmp_path: Path
) -> None:
    """gate, up and down of one layer in three types; q, k and v likewise."""
    source, path = tmp_path / "source.gguf", tmp_path / "quantised.gguf"
    contents = models["wide"]
    replaced(contents, matrices(contents), as_f32).write(source)
    wanted = {
        "ffn_gate_exps": 12,
        "ffn_up_exps": 8,
        "ffn_down_exps": 20,
        "attn_q": 14,
        "attn_k": 2,
        "attn_v": 6,
    }
    llama.quantize(
        source, path, FTYPES["Q5_K_M"][0], overrides=[(f"{k}.weight", v) for k, v in wanted.items()]
    )
    tensors = assert_equals_twin(path, ids).tensors
    assert {name: tensors[f"blk.1.{name}.weight"].type_id for name in wanted} == wanted

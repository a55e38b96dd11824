"""The CPU device against the reference, and its instruction sets against each other."""

from __future__ import annotations

import numpy as np
import pytest
from gptoss_gguf import LLM, RequestError, SamplingParams, _native
from gptoss_gguf.bench.quality import divergence
from gptoss_gguf.convert import Dense

from tests.fixtures.models import MODELS, goldens

from .conftest import GoldenGguf
from .gguf_types.reference import F32

# Type of the dense weights: most mean Kullback-Leibler divergence to the reference, in nats, and least share
# of positions with the same best token; each about twice as far from the ideal as measured. Random models
# are flat: their best tokens are closer to each other than those of a trained one.
BOUNDS: dict[Dense, tuple[float, float]] = {
    "bf16": (2.5e-3, 0.95),
    "f16": (2.5e-3, 0.95),
    "q8_0": (5e-3, 0.91),
}


# The same with compute="bf16".
BF16_BOUNDS: dict[Dense, tuple[float, float]] = dict.fromkeys(BOUNDS, (1e-3, 0.97))
COMPUTE = {"int8": BOUNDS, "bf16": BF16_BOUNDS}


def logits(path: str, ids: list[int], device: str, n_batch: int = 512, compute: str = "auto") -> F32:
    with LLM(path, device=device, n_batch=n_batch, compute=compute) as llm:
        return llm.logits(ids)


@pytest.mark.parametrize("compute", COMPUTE)
@pytest.mark.parametrize("dense", BOUNDS)
@pytest.mark.parametrize("name", MODELS)
def test_cpu_is_close_to_the_reference(
    name: str, dense: Dense, compute: str, golden_gguf: GoldenGguf, record_property: pytest.RecordProperty
) -> None:
    path = str(golden_gguf(name, "mxfp4", dense))
    ids = next(golden.ids.tolist() for golden in goldens(name) if len(golden.ids) == 1150)
    truth, ours = logits(path, ids, "reference"), logits(path, ids, "cpu", compute=compute)
    found = divergence(truth, ours)
    record_property("KL divergence", f"{found.kl:.1e}")
    record_property("same best token", f"{found.same_best:.3f}")
    most, least = COMPUTE[compute][dense]
    assert found.kl < most
    assert found.same_best > least


@pytest.mark.parametrize("compute", COMPUTE)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dense", BOUNDS)
def test_instruction_sets_agree_to_the_bit(
    dense: Dense, name: str, compute: str, golden_gguf: GoldenGguf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(golden_gguf(name, "mxfp4", dense))
    ids = next(golden.ids.tolist() for golden in goldens(name) if len(golden.ids) == 330)
    results = []
    for isa in _native.cpu_isas(compute):
        monkeypatch.setenv("GPTOSS_CPU_ISA", isa)
        results.append(logits(path, ids, "cpu", compute=compute))
        results.append(logits(path, ids[:40], "cpu", n_batch=1, compute=compute))
    for result in results:
        assert np.array_equal(result, results[0][: len(result)])


def test_names_of_instruction_sets(golden_gguf: GoldenGguf, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(golden_gguf("e4", "mxfp4"))
    for compute in COMPUTE:
        assert _native.cpu_isas(compute)[-1] == "scalar"
        for isa in _native.cpu_isas(compute):
            monkeypatch.setenv("GPTOSS_CPU_ISA", isa)
            engine = _native.Engine(path, _native.EngineOptions(device="cpu", compute=compute))
            assert (engine.isa, engine.arithmetic) == (isa, compute)
    monkeypatch.setenv("GPTOSS_CPU_ISA", "abacus")
    with pytest.raises(RequestError, match=r"GPTOSS_CPU_ISA: .* no 'abacus' for int8; .* with .*scalar"):
        LLM(path, device="cpu")
    with LLM(path, device="reference") as llm:  # which has none to choose
        assert llm.device == "reference"


def test_ways_to_compute(golden_gguf: GoldenGguf) -> None:
    path = str(golden_gguf("e4", "mxfp4"))
    assert _native.Engine(path, _native.EngineOptions(device="cpu")).arithmetic == "int8"
    assert _native.cpu_isas("auto") == _native.cpu_isas("int8") == _native.cpu_isas()
    for make in (lambda: LLM(path, device="cpu", compute="fp8"), lambda: _native.cpu_isas("fp8")):
        with pytest.raises(RequestError, match=r"compute 'fp8' is unknown; choose one of: auto, int8, bf16"):
            make()
    with pytest.raises(RequestError, match="compute must be a str"):
        LLM(path, compute=8)
    with pytest.raises(RequestError, match=r"'reference' computes in one way only, .* leave it at auto"):
        LLM(path, device="reference", compute="bf16")


def test_the_cpu_is_the_default(golden_gguf: GoldenGguf) -> None:
    with LLM(str(golden_gguf("e4", "mxfp4"))) as llm:
        assert llm.device == "cpu"
        assert llm.generate([1, 2], SamplingParams(max_tokens=2, ignore_eos=True)).token_ids


def test_a_broken_model_gives_an_error_and_no_text(golden_gguf: GoldenGguf) -> None:
    """NaN in one weight must not be rounded away."""
    source = golden_gguf("e4", "mxfp4")
    file = _native.ModelFile(str(source))
    norm = next(tensor for tensor in file.tensors if tensor.name == "blk.0.post_attention_norm.weight")
    broken = source.with_name("broken.gguf")
    data = bytearray(source.read_bytes())
    data[norm.offset : norm.offset + 4] = np.float32(np.nan).tobytes()
    broken.write_bytes(data)
    with LLM(str(broken), device="cpu") as llm, pytest.raises(Exception, match="no token has a finite logit"):
        llm.generate([1, 2, 3], SamplingParams(max_tokens=2))

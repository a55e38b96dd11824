"""The trainer, with PyTorch: model, rounding and optimiser; runs that resume; the whole way to a GGUF."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gptoss_gguf import LLM
from gptoss_gguf.convert import convert_checkpoint
from gptoss_gguf.convert.mxfp4 import MAGNITUDES, quantize
from gptoss_gguf.tokenizer import Tokenizer

pytestmark = pytest.mark.training
torch = pytest.importorskip("torch")
torch._dynamo.config.disable = True  # what takes minutes to compile is soon computed without

from training.batches import make_batch, one_row, stream  # noqa: E402
from training.checkpoint import export, pack  # noqa: E402
from training.data import FAMILIES, encode, make_sample  # noqa: E402
from training.evaluate import main as evaluate  # noqa: E402
from training.model import (  # noqa: E402
    Batch,
    GptOss,
    ModelShape,
    computing_copy,
    dense_experts,
    grouped_experts,
    pull_gradients,
)
from training.mxfp4 import round_to_mxfp4  # noqa: E402
from training.optimizer import orthogonalize  # noqa: E402
from training.train import Plan, Trainer  # noqa: E402
from training.train import main as train  # noqa: E402
from training.vocabulary import read_ranks  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SHAPE = ModelShape(hidden=64, ff=96, layers=3, experts=6, heads=16, kv_heads=2)


def stored_values(weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """float32 [rows, K] -> what the converter's blocks stand for."""
    blocks = quantize(weights)
    codes = np.concatenate([blocks[..., 1:] & 15, blocks[..., 1:] >> 4], axis=-1)
    signed = np.where(codes & 8, -1, 1) * MAGNITUDES[codes & 7]
    values = signed * np.exp2(blocks[..., :1].astype(np.float64) - 127)
    result: np.ndarray[Any, Any] = values.reshape(weights.shape).astype(np.float32)
    return result


def test_rounding_is_that_of_the_converter() -> None:
    rng = np.random.default_rng(3)
    weights = rng.standard_normal((400, 256)).astype(np.float32) * np.exp2(rng.integers(-20, 20, (400, 1)))
    weights = weights.astype(np.float32)
    weights[0] = 0
    weights[1, ::3] = 0
    weights[2] = np.resize(np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 6.5, 7], np.float32), 256)  # ties
    ours = round_to_mxfp4(torch.from_numpy(weights)).numpy()
    np.testing.assert_array_equal(ours, stored_values(weights))
    np.testing.assert_array_equal(round_to_mxfp4(torch.from_numpy(ours)).numpy(), ours)


def test_packed_experts_are_the_rounded_ones() -> None:
    weights = torch.randn(3, 8, 64, generator=torch.Generator().manual_seed(1))
    blocks, scales = pack(weights)
    codes = np.stack([blocks & 15, blocks >> 4], axis=-1).reshape(3, 8, 2, 32)
    values = np.where(codes & 8, -1, 1) * MAGNITUDES[codes & 7] * np.exp2(scales[..., None] - 127.0)
    np.testing.assert_array_equal(values.reshape(3, 8, 64), round_to_mxfp4(weights).numpy())


def test_what_is_computed_is_what_is_stored_and_gradients_pass_straight_through() -> None:
    torch.manual_seed(3)
    model = GptOss(SHAPE)
    computing = computing_copy(model, torch.bfloat16)
    stored = dict(computing.named_parameters())
    for name, parameter in model.named_parameters():
        is_mxfp4 = name.endswith(("gate_up_proj", "down_proj"))
        rounded = round_to_mxfp4(parameter.detach()) if is_mxfp4 else parameter.detach().bfloat16()
        assert torch.equal(stored[name].detach().float(), rounded.float()), name
    computing.losses(Batch.of(one_row([5, 6, 7, 8] * 20))).mean().backward()
    gradients = [parameter.grad.float() for parameter in computing.parameters()]
    pull_gradients(computing, model)
    for ours, theirs in zip(model.parameters(), gradients, strict=True):
        assert torch.equal(ours.grad, theirs)
    assert all(parameter.grad is None for parameter in computing.parameters())


def test_both_ways_to_compute_experts_agree() -> None:
    torch.manual_seed(5)
    x = torch.randn(50, 32, requires_grad=True)
    top = torch.randn(50, 6).topk(4)
    weights = top.values.softmax(-1)
    parts = [torch.randn(shape) for shape in ((6, 128, 32), (6, 128), (6, 32, 64), (6, 32))]
    results = []
    for experts in (dense_experts, grouped_experts):
        x.grad = None
        out = experts(x, top.indices, weights, *parts)
        (out * torch.arange(32)).sum().backward()
        results.append((out.detach(), x.grad.clone()))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-2)


def test_orthogonalised_matrices_keep_their_directions() -> None:
    matrix = torch.randn(3, 48, 32, generator=torch.Generator().manual_seed(2))
    singular = torch.linalg.svdvals(orthogonalize(matrix))
    assert 0.3 < float(singular.min()) <= float(singular.max()) < 1.5


@pytest.fixture(scope="module")
def checkpoint(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> tuple[GptOss, Path]:
    """A model of another shape than the default, with large sinks and biases, and its checkpoint."""
    assert tokenizer.n_vocab == SHAPE.vocab
    torch.manual_seed(11)
    model = GptOss(SHAPE)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("bias", "sinks", "norm.weight")):
                parameter.add_(torch.randn_like(parameter) * 0.5)
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    export(model, read_ranks(), folder)
    return computing_copy(model, torch.float32), folder


def logits(model: GptOss, ids: list[int]) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        result: np.ndarray[Any, Any] = model(Batch.of(one_row(ids))).numpy()
    return result


def ids_of(tokenizer: Tokenizer) -> list[int]:
    """Longer than two windows."""
    return [token for index in range(3) for token in encode(tokenizer, make_sample("train", 9, index))[0]][
        :400
    ]


def relative(ours: Any, theirs: Any) -> float:
    return float((np.linalg.norm(ours - theirs, axis=-1) / np.linalg.norm(theirs, axis=-1)).max())


def test_model_is_that_of_transformers(checkpoint: tuple[GptOss, Path], tokenizer: Tokenizer) -> None:
    transformers = pytest.importorskip("transformers")
    model, folder = checkpoint
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation="eager",
        experts_implementation="eager",
        quantization_config=transformers.Mxfp4Config(dequantize=True),
    )
    ids = ids_of(tokenizer)
    with torch.no_grad():
        assert relative(logits(model, ids), theirs(torch.tensor([ids])).logits[0].numpy()) < 1e-4


def test_model_is_that_of_our_engine(
    checkpoint: tuple[GptOss, Path], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model, folder = checkpoint
    convert_checkpoint(folder, tmp_path / "model.gguf", dense="bf16")
    ids = ids_of(tokenizer)
    with LLM(tmp_path / "model.gguf", device="reference") as llm:
        assert llm.tokenizer.specials == tokenizer.specials
        assert llm.tokenizer.encode("The capital of France") == tokenizer.encode("The capital of France")
        assert relative(llm.logits(ids), logits(model, ids)) < 1e-4


def test_a_common_prefix_and_padding_change_nothing(
    checkpoint: tuple[GptOss, Path], tokenizer: Tokenizer
) -> None:
    """Losses and gradients of a batch are those of its conversations, one by one."""
    model, _ = checkpoint
    (batch,) = make_batch(tokenizer, seed=5, step=0, conversations=12, micro_tokens=10000)
    assert any(group.n_prefix and segment.rows > 1 for group in batch.groups for segment in group.segments)
    together = model.losses(Batch.of(batch))
    together.sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    model.zero_grad(set_to_none=True)
    alone = []
    for index in range(12):
        ids, mask = encode(tokenizer, make_sample("train", 5, index))
        losses = model.losses(Batch.of(one_row(ids)))[torch.tensor(mask[1:])]
        losses.sum().backward()
        alone.append(losses)
    torch.testing.assert_close(together.sort().values, torch.cat(alone).sort().values, rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(gradients, model.parameters(), strict=True):
        assert float((ours - theirs.grad).norm()) <= 1e-3 * float(theirs.grad.norm())
    model.zero_grad(set_to_none=True)


def run_steps(trainer: Trainer, count: int) -> list[float]:
    batches = stream(
        trainer.plan.seed, trainer.step, trainer.plan.conversations, trainer.plan.micro_tokens, workers=0
    )
    sums = [trainer.train_step(next(batches)) for _ in range(count)]
    return [float(loss.sum() / learned.sum()) for loss, learned in sums]


def test_a_resumed_run_is_the_same_run() -> None:
    plan = Plan(seed=4, conversations=8, micro_tokens=1024, minutes=None, steps=12)
    whole = Trainer(plan, SHAPE, torch.device("cpu"))
    losses = run_steps(whole, 8)
    first = Trainer(plan, SHAPE, torch.device("cpu"))
    again = run_steps(first, 5)
    second = Trainer(plan, SHAPE, torch.device("cpu"))
    second.restore(first.state())
    again += run_steps(second, 3)
    assert again == losses
    assert losses[-1] < losses[0]
    for ours, theirs in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_two_processes_share_the_work(tmp_path: Path) -> None:
    """The same losses as one process alone, up to the rounding of bfloat16."""
    options = ["--device", "cpu", "--conversations", "8", "--steps", "2", "--log-every", "1", "--out"]
    assert train([*options, str(tmp_path / "one")]) == 0
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        "29517",
    ]
    command = [*torchrun, "-m", "training.train", *options, str(tmp_path / "two")]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TORCH_COMPILE_DISABLE": "1"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    for ours, theirs in zip(one, two, strict=True):
        assert ours["step"] == theirs["step"]
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=2e-3)


def test_train_convert_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way, on the command line; a model of three steps keeps no promise."""
    options = [
        "--out",
        str(tmp_path / "run"),
        "--device",
        "cpu",
        "--conversations",
        "8",
        "--micro-tokens",
        "1024",
    ]
    assert train([*options, "--steps", "3", "--log-every", "1", "--run-minutes", "0"]) == 0
    assert train([*options, "--steps", "3", "--log-every", "1"]) == 1
    assert "--resume" in capsys.readouterr().err
    assert train([*options, "--steps", "3", "--log-every", "1", "--resume"]) == 0
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3]
    assert log[0]["families"].keys() <= FAMILIES.keys()
    gguf = tmp_path / "model.gguf"
    convert_checkpoint(tmp_path / "run/model", gguf)
    assert gguf.stat().st_size <= 6_000_000
    report = tmp_path / "report.json"
    assert (
        evaluate(
            [str(gguf), "--count", "2", "--family", "facts", "--family", "schema", "--json", str(report)]
        )
        == 1
    )
    assert "| facts | 2 |" in capsys.readouterr().out
    assert len(json.loads(report.read_text())["failures"]) == 4

"""A trained model in another shape, with PyTorch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytestmark = pytest.mark.training
torch = pytest.importorskip("torch")
torch._dynamo.config.disable = True

from training.batches import one_row  # noqa: E402
from training.checkpoint import load_state, save_state  # noqa: E402
from training.grow import grown, main  # noqa: E402
from training.model import Batch, GptOss, ModelShape  # noqa: E402
from training.train import Plan, Trainer  # noqa: E402
from training.train import main as train  # noqa: E402

SMALL = ModelShape(hidden=64, ff=96, layers=3, experts=6, heads=8, kv_heads=1)
TEXT, OTHER = one_row([5, 6, 7, 8, 9] * 40), one_row(list(range(900, 1100)))


def model_of(shape: ModelShape) -> GptOss:
    torch.manual_seed(3)
    model = GptOss(shape)
    with torch.no_grad():
        for parameter in model.parameters():  # no bias or sink is zero
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def loss_of(model: GptOss) -> float:
    with torch.no_grad():
        return float(model.losses(Batch.of(TEXT)).mean())


def test_more_heads_change_nothing_at_first() -> None:
    model = model_of(SMALL)
    wider = grown(model, replace(SMALL, heads=16, kv_heads=2), [TEXT])
    assert loss_of(wider) == pytest.approx(loss_of(model), rel=1e-5)
    new_heads = wider.layers()[0].self_attn.o_proj.weight[:, 8 * 64 :]
    assert not new_heads.any()
    wider.losses(Batch.of(TEXT)).mean().backward()
    assert wider.layers()[0].self_attn.o_proj.weight.grad[:, 8 * 64 :].any()  # but they will learn


def test_neurons_that_write_nothing_go_first() -> None:
    model = model_of(SMALL)
    kept = torch.arange(96) % 3 != 0
    with torch.no_grad():
        for layer in model.layers():
            layer.mlp.experts.down_proj[:, :, ~kept] = 0
    narrow = grown(model, replace(SMALL, ff=64), [TEXT])
    assert loss_of(narrow) == pytest.approx(loss_of(model), rel=1e-5)
    ours, theirs = narrow.layers()[1].mlp.experts, model.layers()[1].mlp.experts
    assert torch.equal(ours.down_proj, theirs.down_proj[:, :, kept])


def test_what_goes_leaves_its_mean() -> None:
    model = model_of(SMALL)
    constant = 1.5
    with torch.no_grad():
        experts = model.layers()[2].mlp.experts
        experts.gate_up_proj[:, :2] = 0  # the first neuron always says the same
        experts.gate_up_proj_bias[:, 0] = constant
    for layer in model.layers()[:2]:
        with torch.no_grad():
            layer.mlp.experts.down_proj[:, :, :32] = 0
    with torch.no_grad():
        experts.down_proj[:, :, 1:32] = 0
    narrow = grown(model, replace(SMALL, ff=64), [TEXT, OTHER])
    assert loss_of(narrow) == pytest.approx(loss_of(model), rel=1e-4)
    assert torch.equal(narrow.layers()[2].mlp.experts.down_proj, experts.down_proj[:, :, 32:])


def test_an_expert_that_sees_nothing_stays_finite() -> None:
    model = model_of(SMALL)
    with torch.no_grad():
        model.layers()[0].mlp.router.bias[4] = -1e4
    narrow = grown(model, replace(SMALL, ff=64), [TEXT])
    assert all(parameter.isfinite().all() for parameter in narrow.parameters())


@pytest.mark.parametrize("change", [{"ff": 128}, {"ff": 80}, {"hidden": 96}, {"heads": 16}])
def test_other_changes_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="can't grow into"):
        grown(model_of(SMALL), replace(SMALL, **change), [TEXT])


def test_a_grown_state_is_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(seed=1, conversations=2, micro_tokens=2048, minutes=None, steps=2)
    trainer = Trainer(plan, ModelShape(heads=8, kv_heads=1, ff=256), torch.device("cpu"))
    save_state(tmp_path / "old", trainer.state())
    arguments = [
        "--from",
        str(tmp_path / "old"),
        "--out",
        str(tmp_path / "new"),
        "--kv-heads",
        "2",
        "--ff",
        "192",
    ]
    assert main(arguments) == 0
    before, after = (float(word) for word in capsys.readouterr().out.split(",")[0].split()[1::2])
    assert after == pytest.approx(before, rel=0.05)
    assert load_state(tmp_path / "new")["shape"]["kv_heads"] == 2
    run = [
        "--out",
        str(tmp_path / "new"),
        "--resume",
        "--steps",
        "1",
        "--conversations",
        "2",
        "--micro-tokens",
        "2048",
    ]
    assert train(run) == 0
    assert load_state(tmp_path / "new")["step"] == 1
    assert main(arguments) == 1
    assert "holds a training already" in capsys.readouterr().err


def test_a_folder_without_a_state_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["--from", str(tmp_path), "--out", str(tmp_path / "x"), "--kv-heads", "2", "--ff", "192"]) == 1
    )
    assert "state.pt" in capsys.readouterr().err

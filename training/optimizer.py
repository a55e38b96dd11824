"""Muon for the matrices inside the layers, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

MUON_LR = 0.02
ADAM_LR = 4e-3


class Muon(torch.optim.Optimizer):
    """Momentum whose direction is orthogonalised; parameters are matrices [rows, cols] or stacks of them."""

    def __init__(self, parameters: Iterable[Tensor], lr: float = MUON_LR, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update; a closure is not supported."""
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                direction = orthogonalize(parameter.grad.lerp(momentum, group["momentum"]))
                rows, cols = parameter.shape[-2:]
                parameter.add_(direction, alpha=-group["lr"] * max(1.0, rows / cols) ** 0.5)


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """Roughly U V^T of each matrix U S V^T in [..., rows, cols]: a quintic Newton-Schulz iteration."""
    x = matrix.bfloat16()  # precise enough for a direction
    is_tall = x.shape[-2] > x.shape[-1]
    x = x.mT if is_tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    result: Tensor = (x.mT if is_tall else x).to(matrix.dtype)
    return result


def make_optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """One optimiser for each kind of parameter; every group keeps its peak rate in "peak_lr"."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim >= 2 and not name.endswith("_bias")
        is_inner = "self_attn" in name or "experts" in name
        (matrices if is_matrix and is_inner else others).append(parameter)
    fused = others[0].is_cuda
    adam = torch.optim.AdamW(others, lr=ADAM_LR, betas=(0.9, 0.98), weight_decay=0.0, fused=fused)
    optimizers: list[torch.optim.Optimizer] = [Muon(matrices), adam]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def set_rate(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Sets every learning rate to `factor` of its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor

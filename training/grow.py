"""A trained model in another shape, to train on from; run from the checkout:

    python -m training.grow --from DIR --out DIR --kv-heads 2 --ff 192

KV heads are added in groups of their 8 query heads, which write nothing at first (Net2Net, arXiv 1511.05641).
Experts get narrower: the neurons that write the least go, and what they write on average stays as bias.
The optimisers forget their momentum; step, position in the data and schedule stay: train on with
more --steps than were made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .batches import MicroBatch, stream
from .checkpoint import STATE, load_state, save_state
from .model import Attention, Batch, Experts, GptOss, ModelShape, swiglu
from .optimizer import make_optimizers
from .train import Plan

GROUP = 8  # query heads of a KV head


def add_heads(old: Attention, new: Attention) -> None:
    """Copies old into the first heads of new; the other heads stay as they were drawn, but write nothing."""
    for name, old_parameter in old.named_parameters():
        new_parameter = new.get_parameter(name)
        if name == "o_proj.weight":
            new_parameter.zero_()
            new_parameter[:, : old_parameter.shape[1]] = old_parameter
        elif name == "o_proj.bias":
            new_parameter.copy_(old_parameter)
        else:
            new_parameter[: len(old_parameter)] = old_parameter


class Neurons:
    """What the neurons of an expert layer write: sums over the tokens that it saw, a hook of `Experts`."""

    def __init__(self, experts: Experts) -> None:
        n_experts, _, ff = experts.down_proj.shape
        self.count = torch.zeros(n_experts, 1)
        self.sum = torch.zeros(n_experts, ff)
        self.squares = torch.zeros(n_experts, ff)

    def __call__(self, experts: Experts, inputs: tuple[Tensor, Tensor, Tensor], _: Tensor) -> None:
        x, chosen, _ = inputs
        for e in range(len(self.count)):
            mine = x[(chosen == e).any(1)]
            gate_up = F.linear(mine, experts.gate_up_proj[e], experts.gate_up_proj_bias[e])
            hidden = swiglu(torch.cat([gate_up[:, 0::2], gate_up[:, 1::2]], dim=1))
            self.count[e] += len(mine)
            self.sum[e] += hidden.sum(0)
            self.squares[e] += hidden.square().sum(0)

    def mean(self) -> Tensor:
        """Of each neuron, [experts, ff]; 0 for experts that saw nothing."""
        return self.sum / self.count.clamp(min=1)

    def kept(self, experts: Experts, ff: int) -> Tensor:
        """int64 [experts, ff]: the neurons with the largest variance in what they write, in their order."""
        mean = self.mean()
        variance = self.squares / self.count.clamp(min=1) - mean.square()
        importance = variance * experts.down_proj.square().sum(1)
        return importance.topk(ff, dim=1).indices.sort(dim=1).values


def narrow(old: Experts, new: Experts, neurons: Neurons) -> None:
    """Copies the kept neurons; the mean of the others goes into the bias."""
    kept = neurons.kept(old, new.down_proj.shape[2])
    mean = neurons.mean()
    new.down_proj_bias.copy_(old.down_proj_bias + torch.einsum("ehf,ef->eh", old.down_proj, mean))
    for e, mine in enumerate(kept):
        rows = torch.stack([2 * mine, 2 * mine + 1], dim=1).flatten()
        new.gate_up_proj[e] = old.gate_up_proj[e, rows]
        new.gate_up_proj_bias[e] = old.gate_up_proj_bias[e, rows]
        new.down_proj[e] = old.down_proj[e, :, mine]
        new.down_proj_bias[e] -= old.down_proj[e, :, mine] @ mean[e, mine]


@torch.no_grad()
def grown(old: GptOss, shape: ModelShape, batch: Sequence[MicroBatch]) -> GptOss:
    """The model in the given shape; batch: training data, to see which neurons matter.

    Raises ValueError if other sizes differ, if there would be fewer heads or wider experts, or sizes that
    no model has.
    """
    fixed = replace(shape, heads=old.shape.heads, kv_heads=old.shape.kv_heads, ff=old.shape.ff)
    is_smaller = shape.kv_heads < old.shape.kv_heads or shape.ff > old.shape.ff
    if fixed != old.shape or is_smaller or shape.ff % 32 or shape.heads != GROUP * shape.kv_heads:
        raise ValueError(f"{old.shape} can't grow into {shape}")
    neurons = [Neurons(layer.mlp.experts) for layer in old.layers()]
    hooks = [
        layer.mlp.experts.register_forward_hook(seen)
        for layer, seen in zip(old.layers(), neurons, strict=True)
    ]
    for micro in batch:
        old.losses(Batch.of(micro))
    for hook in hooks:
        hook.remove()
    new = GptOss(shape)
    theirs = old.state_dict()
    for name, parameter in new.named_parameters():
        if "self_attn" not in name and ".experts." not in name:
            parameter.copy_(theirs[name])
    for before, after, seen in zip(old.layers(), new.layers(), neurons, strict=True):
        add_heads(before.self_attn, after.self_attn)
        narrow(before.mlp.experts, after.mlp.experts, seen)
    return new


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Give a trained model another shape.")
    parser.add_argument("--from", type=Path, required=True, dest="source", help="folder of the training")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new one")
    parser.add_argument("--kv-heads", type=int, required=True)
    parser.add_argument("--ff", type=int, required=True, help="width of the experts, a multiple of 32")
    args = parser.parse_args(argv)
    try:
        if (args.out / STATE).exists():
            raise ValueError(f"{args.out} holds a training already")
        state = load_state(args.source)
        plan = Plan(**state["plan"])
        torch.manual_seed(plan.seed)
        old = GptOss(ModelShape(**state["shape"]))
        old.load_state_dict(state["model"])
        shape = replace(old.shape, kv_heads=args.kv_heads, heads=GROUP * args.kv_heads, ff=args.ff)
        batch = next(stream(plan.seed, state["step"], plan.conversations, plan.micro_tokens, workers=0))
        new = grown(old, shape, batch)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with torch.no_grad():
        losses = [
            torch.cat([model.losses(Batch.of(micro)) for micro in batch]).mean() for model in (old, new)
        ]
    print(f"loss {losses[0]:.4f} -> {losses[1]:.4f}, step {state['step']}")
    optimizers = [optimizer.state_dict() for optimizer in make_optimizers(new)]
    size = {"heads": shape.heads, "kv_heads": shape.kv_heads, "ff": shape.ff}
    changed = {"shape": state["shape"] | size, "model": new.state_dict(), "optimizers": optimizers}
    save_state(args.out, state | changed)
    return 0


if __name__ == "__main__":
    sys.exit(main())

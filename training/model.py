"""gpt-oss in plain PyTorch, for training: parameters named as in the Hugging Face checkpoint.

All but attention sees a batch as one list of tokens, without padding. There are two copies of the model in
training: the parameters in float32, and `computing_copy`, rounded as the checkpoint will be, so that what is
trained is what is stored.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .batches import Group, MicroBatch
from .mxfp4 import round_to_mxfp4

HEAD_DIM = 64
TOP_K = 4
WINDOW = 128
EPS = 1e-5
PAD = 128  # tokens of an expert are a multiple of this on a CPU
ALPHA, LIMIT = 1.702, 7.0  # of the clamped SwiGLU


# Compiled, an elementwise function is one pass over memory, and so is its gradient.
fused = torch.compile(dynamic=True)


@dataclass(frozen=True)
class ModelShape:
    """Sizes of the model; hidden and ff are multiples of 32, heads is 8 x kv_heads."""

    vocab: int = 4000
    hidden: int = 192
    ff: int = 192
    experts: int = 8
    layers: int = 4
    heads: int = 16
    kv_heads: int = 2


@dataclass(frozen=True)
class Batch:
    """A micro batch on the device: see MicroBatch. rope: cos and sin of every token's position."""

    ids: Tensor
    rope: tuple[Tensor, Tensor]
    groups: tuple[Group, ...]
    learned: Tensor

    @classmethod
    def of(cls, micro: MicroBatch, device: torch.device | str = "cpu") -> Batch:
        ids, positions, learned = (
            torch.from_numpy(array).to(device, non_blocking=True)
            for array in (micro.ids, micro.positions, micro.learned)
        )
        return cls(ids, rope_tables(positions), micro.groups, learned)


class Linear(nn.Module):
    """x [..., n_in] -> [..., n_out], in the type of the weights."""

    def __init__(self, n_in: int, n_out: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / math.sqrt(n_in))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias)


class RmsNorm(nn.Module):
    """Root mean square norm, in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight)


@fused
def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    return F.rms_norm(x, weight.shape, weight, EPS)


@cache
def rope_frequencies() -> tuple[Tensor, float]:
    """Angle per position, float64 [32], and the magnitude of cos and sin: YaRN, factor 32 over 4,096."""
    base, factor, original, beta_fast, beta_slow = 150000.0, 32.0, 4096, 32.0, 1.0

    def turns(beta: float) -> float:
        return HEAD_DIM * math.log(original / (beta * 2 * math.pi)) / (2 * math.log(base))

    index = torch.arange(HEAD_DIM // 2, dtype=torch.float64)
    frequency = base ** (-2 * index / HEAD_DIM)
    low, high = turns(beta_fast), turns(beta_slow)  # not rounded to whole dimensions
    ramp = ((index - low) / (high - low)).clamp(0, 1)
    return frequency / factor * ramp + frequency * (1 - ramp), 0.1 * math.log(factor) + 1


def rope_tables(positions: Tensor) -> tuple[Tensor, Tensor]:
    """positions: int64 [tokens] -> cos and sin, each float32 [tokens, 1, 32]."""
    frequency, scale = rope_frequencies()
    angles = positions.double()[:, None, None] * frequency.to(positions.device)
    return (angles.cos() * scale).float(), (angles.sin() * scale).float()


@cache
def attention_mask(first: int, queries: int, is_sliding: bool, device: torch.device) -> Tensor:
    """[queries, first + queries]: 0 where a query sees a key, else -inf; the queries begin at `first`."""
    keys = torch.arange(first + queries, device=device)
    distance = keys[first:, None] - keys
    visible = (distance >= 0) & (distance < WINDOW) if is_sliding else distance >= 0
    return torch.where(visible, 0.0, -math.inf)


class Attention(nn.Module):
    """Grouped-query attention with one learned sink per query head."""

    def __init__(self, shape: ModelShape, is_sliding: bool) -> None:
        super().__init__()
        self.is_sliding = is_sliding
        self.q_proj = Linear(shape.hidden, shape.heads * HEAD_DIM)
        self.k_proj = Linear(shape.hidden, shape.kv_heads * HEAD_DIM)
        self.v_proj = Linear(shape.hidden, shape.kv_heads * HEAD_DIM)
        self.o_proj = Linear(shape.heads * HEAD_DIM, shape.hidden)
        self.sinks = nn.Parameter(torch.zeros(shape.heads))

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """x: [tokens, hidden], and so the result."""
        x = x.to(self.q_proj.weight.dtype)
        q = rotate(heads(self.q_proj(x)), *batch.rope, 1 / math.sqrt(HEAD_DIM))
        k = rotate(heads(self.k_proj(x)), *batch.rope, 1.0)
        v = heads(self.v_proj(x))
        # One cut for all parts: the gradient of many slices would be many sums over all tokens.
        sizes = [size for group in batch.groups for size in group.sizes()]
        parts = zip(*(torch.split(x, sizes) for x in (q, k, v)), strict=True)
        out: Tensor = self.o_proj(
            torch.cat([part for group in batch.groups for part in self._group(group, parts)])
        )
        return out

    def _group(self, group: Group, parts: Iterator[tuple[Tensor, ...]]) -> Iterator[Tensor]:
        """[tokens, heads * 64] for the group's tokens, in their order; parts: q, k, v of each size."""
        prefix_q, *prefix = next(parts)
        if group.n_prefix:
            yield self._attend(prefix_q[None], *(x[None] for x in prefix))[0]
        for segment in group.segments:
            shape = (segment.rows, segment.width)
            indices = [
                torch.from_numpy(index).to(prefix_q.device) for index in (segment.order, segment.inverse)
            ]
            queries, *own = (spread(x, *indices).view(*shape, -1, HEAD_DIM) for x in next(parts))
            # [rows, prefix + width, heads, 64]: each row behind the prefix.
            keys, values = (
                torch.cat([x.expand(segment.rows, -1, -1, -1), row], dim=1)
                for x, row in zip(prefix, own, strict=True)
            )
            yield collect(self._attend(queries, keys, values).flatten(0, 1), *indices)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q: [n, queries, heads, 64], k and v: [n, keys, kv_heads, 64] -> [n, queries, heads * 64].

        The queries stand at the last of the keys' positions.
        """
        n, queries, kv_heads = len(q), q.shape[1], k.shape[2]
        keys = k.shape[1] + 1
        # The sink is one more key, of zeros, whose score comes from the bias; its value is zero.
        k = F.pad(k, (0, 0, 0, 0, 0, 1)).permute(0, 2, 3, 1)
        v = F.pad(v, (0, 0, 0, 0, 0, 1)).transpose(1, 2)
        q = q.transpose(1, 2).reshape(n, kv_heads, -1, HEAD_DIM)
        mask = attention_mask(keys - 1 - queries, queries, self.is_sliding, q.device)
        sinks = self.sinks[:, None, None].expand(-1, queries, 1)
        bias = torch.cat([mask.expand(len(self.sinks), -1, -1), sinks], dim=-1).to(q.dtype)
        scores = (q @ k).view(n, -1, queries, keys) + bias
        weights = torch.softmax(scores, dim=-1).reshape(n, kv_heads, -1, keys)
        return (weights @ v).view(n, -1, queries, HEAD_DIM).transpose(1, 2).flatten(2)


def heads(x: Tensor) -> Tensor:
    """[tokens, heads * 64] -> [tokens, heads, 64]."""
    return x.view(len(x), -1, HEAD_DIM)


@fused
def rotate(x: Tensor, cos: Tensor, sin: Tensor, scale: float) -> Tensor:
    """x: [tokens, heads, 64], turned by the angles of its positions and scaled, in float32."""
    first, second = (scale * x.float()).chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(x.dtype)


class Experts(nn.Module):
    """All experts of a layer; rows of gate_up_proj alternate between gate and up, as in the checkpoint."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        e, hidden, ff = shape.experts, shape.hidden, shape.ff
        self.gate_up_proj = nn.Parameter(torch.randn(e, 2 * ff, hidden) / math.sqrt(hidden))
        self.gate_up_proj_bias = nn.Parameter(torch.zeros(e, 2 * ff))
        self.down_proj = nn.Parameter(torch.randn(e, hidden, ff) / math.sqrt(ff))
        self.down_proj_bias = nn.Parameter(torch.zeros(e, hidden))

    def forward(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        """x: [tokens, hidden]; chosen: int64 [tokens, 4], the experts; weights: [tokens, 4]."""
        gate_up = sorted_rows(self.gate_up_proj)
        bias = sorted_rows(self.gate_up_proj_bias)
        experts = dense_experts if x.is_cuda else grouped_experts
        return experts(x, chosen, weights, gate_up, bias, self.down_proj, self.down_proj_bias)


def sorted_rows(matrix: Tensor) -> Tensor:
    """[experts, 2 * ff, ...], gates first. Cheaper than to sort what the matrix gives."""
    return torch.cat([matrix[:, 0::2], matrix[:, 1::2]], dim=1)


def dense_experts(
    x: Tensor, chosen: Tensor, weights: Tensor, gate_up: Tensor, bias: Tensor, down: Tensor, down_bias: Tensor
) -> Tensor:
    """All experts for all tokens: large products and no synchronisation, for a GPU."""
    spread = torch.zeros(len(x), len(down), dtype=x.dtype, device=x.device).scatter(1, chosen, weights)
    hidden = swiglu(torch.matmul(x, gate_up.transpose(1, 2)) + bias[:, None])  # [experts, tokens, ff]
    return torch.bmm(hidden * spread.T[:, :, None], down.transpose(1, 2)).sum(0) + spread @ down_bias


def grouped_experts(
    x: Tensor, chosen: Tensor, weights: Tensor, gate_up: Tensor, bias: Tensor, down: Tensor, down_bias: Tensor
) -> Tensor:
    """Each expert for its own tokens: half the work, for a CPU."""
    pairs = chosen.reshape(-1)  # (token, expert), by token
    counts = pairs.bincount(minlength=len(down))
    padded = (counts + PAD - 1) // PAD * PAD  # few different shapes: each costs preparation
    by_expert = pairs.argsort(stable=True)
    start = padded.cumsum(0) - padded
    places = torch.arange(len(pairs)) + (start - (counts.cumsum(0) - counts)).repeat_interleave(counts)
    order = torch.zeros(int(padded.sum()), dtype=torch.int64).scatter(0, places, by_expert)
    inverse = torch.empty_like(pairs).scatter(0, by_expert, places)
    inputs = spread(x.repeat_interleave(chosen.shape[1], 0), order, inverse)
    outputs = []
    for e, mine in enumerate(torch.split(inputs, padded.tolist())):
        hidden = swiglu(F.linear(mine, gate_up[e], bias[e]))
        outputs.append(F.linear(hidden, down[e], down_bias[e]))
    back = collect(torch.cat(outputs), order, inverse)
    return combine(back.view(len(x), -1, x.shape[1]), weights)


@fused
def combine(outputs: Tensor, weights: Tensor) -> Tensor:
    """outputs: [tokens, 4, hidden], of a token's experts; weights: [tokens, 4] -> [tokens, hidden]."""
    return (outputs * weights[:, :, None]).sum(1)


def spread(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """x[order], where x[order][inverse] is x; what order repeats is padding, from which no gradient comes."""
    result: Tensor = Spread.apply(x, order, inverse)  # type: ignore[no-untyped-call]
    return result


def collect(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """The inverse of `spread`: x[inverse], without the padding."""
    result: Tensor = Collect.apply(x, order, inverse)  # type: ignore[no-untyped-call]
    return result


class Spread(torch.autograd.Function):
    """Its gradient is a gather too, where that of indexing is a scatter with sums, which is slow on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0].index_select(0, *ctx.saved_tensors), None, None


class Collect(torch.autograd.Function):
    """Its gradient is zero at the padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order, inverse)
        return x.index_select(0, inverse)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        order, inverse = ctx.saved_tensors
        zeros = grads[0].new_zeros(len(order), *grads[0].shape[1:])
        return zeros.index_copy_(0, inverse, grads[0]), None, None


@fused
def swiglu(gate_up: Tensor) -> Tensor:
    """[..., gates and ups] -> [..., ff], clamped; gate * sigmoid(1.702 * gate) is one pass with silu."""
    gate, up = gate_up.chunk(2, dim=-1)
    return (up.clamp(-LIMIT, LIMIT) + 1) * F.silu(ALPHA * gate.clamp(max=LIMIT)) / ALPHA


class Moe(nn.Module):
    """Router and experts. `balance` of the last pass: 1 if every expert gets the same, more if not."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.router = Linear(shape.hidden, shape.experts)
        self.experts = Experts(shape)
        self.balance = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        logits = self.router(x).float()
        top = logits.topk(TOP_K, dim=-1)
        experts = torch.arange(logits.shape[1], device=x.device)
        load = (top.indices[..., None] == experts).float().mean((0, 1))  # each expert's share of the choices
        self.balance = (load * logits.softmax(-1).mean(0)).sum() * logits.shape[1]
        kind = self.experts.down_proj.dtype
        result: Tensor = self.experts(x.to(kind), top.indices, top.values.softmax(-1).to(kind))
        return result


class Layer(nn.Module):
    """Attention and experts, each behind a norm and added to the residual."""

    def __init__(self, shape: ModelShape, index: int) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(shape.hidden)
        self.self_attn = Attention(shape, is_sliding=index % 2 == 0)
        self.post_attention_layernorm = RmsNorm(shape.hidden)
        self.mlp = Moe(shape)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """x: float32 [tokens, hidden], and so the result."""
        x = x + self.self_attn(self.input_layernorm(x), batch)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Body(nn.Module):
    """Everything but the unembedding."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape, index) for index in range(shape.layers))
        self.norm = RmsNorm(shape.hidden)

    def forward(self, batch: Batch) -> Tensor:
        """float32 [tokens, hidden]."""
        x = F.embedding(batch.ids, self.embed_tokens.weight).float()
        for layer in self.layers:
            x = layer(x, batch)
        normed: Tensor = self.norm(x)
        return normed


class GptOss(nn.Module):
    """The whole model."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Body(shape)
        self.lm_head = Linear(shape.hidden, shape.vocab, bias=False)
        with torch.no_grad():  # a quiet start: residual branches add little, all tokens are likely
            self.lm_head.weight.mul_(0.3)
            for layer in self.layers():
                layer.self_attn.o_proj.weight.mul_(1 / math.sqrt(2 * shape.layers))
                layer.mlp.experts.down_proj.mul_(1 / math.sqrt(2 * shape.layers))

    def forward(self, batch: Batch) -> Tensor:
        """Logits [tokens, vocab]."""
        logits: Tensor = self.lm_head(self.model(batch))
        return logits

    def losses(self, batch: Batch) -> Tensor:
        """Cross entropy of every token that is to be learned, in their order."""
        hidden = self.model(batch).index_select(0, batch.learned - 1)
        return F.cross_entropy(self.lm_head(hidden).float(), batch.ids[batch.learned], reduction="none")

    def layers(self) -> list[Layer]:
        return [layer for layer in self.model.layers if isinstance(layer, Layer)]

    def balance(self) -> Tensor:
        """Mean load imbalance of the last pass; 1 is even."""
        return torch.stack([layer.mlp.balance for layer in self.layers()]).mean()


def computing_copy(model: GptOss, dtype: torch.dtype) -> GptOss:
    """A copy to compute and to differentiate with: see `refresh`. What must be exact stays in float32."""
    result = copy.deepcopy(model).to(dtype)
    for module in result.modules():
        if isinstance(module, RmsNorm):
            module.float()
    for layer in result.layers():
        layer.mlp.router.float()
        layer.self_attn.sinks.data = layer.self_attn.sinks.data.float()
    refresh(result, model)
    return result


@torch.no_grad()
def refresh(computing: GptOss, model: GptOss) -> None:
    """Gives `computing` the parameters of the model, rounded as the checkpoint stores them."""
    for (name, theirs), ours in zip(computing.named_parameters(), model.parameters(), strict=True):
        theirs.copy_(rounded(ours) if is_expert_matrix(name) else ours.bfloat16())


rounded = fused(round_to_mxfp4)


def is_expert_matrix(name: str) -> bool:
    """Whether the checkpoint stores the parameter as MXFP4."""
    return name.endswith(("experts.gate_up_proj", "experts.down_proj"))


@torch.no_grad()
def pull_gradients(computing: GptOss, model: GptOss) -> None:
    """Moves the gradients to the model, as if there were no rounding (straight-through estimator)."""
    for theirs, ours in zip(computing.parameters(), model.parameters(), strict=True):
        ours.grad = None if theirs.grad is None else theirs.grad.float()
        theirs.grad = None

"""gpt-oss in plain PyTorch, for training: parameters named as in the Hugging Face checkpoint.

Weights pass through the rounding that the checkpoint will do, so what is trained is what is stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .mxfp4 import through_bf16, through_mxfp4

HEAD_DIM = 64
TOP_K = 4
WINDOW = 128
EPS = 1e-5
ALPHA, LIMIT = 1.702, 7.0  # of the clamped SwiGLU


@dataclass(frozen=True)
class ModelShape:
    """Sizes of the model; hidden and ff are multiples of 32, heads is 8 x kv_heads."""

    vocab: int = 4000
    hidden: int = 192
    ff: int = 256
    experts: int = 8
    layers: int = 4
    heads: int = 8
    kv_heads: int = 1


class Linear(nn.Module):
    """x [..., n_in] -> [..., n_out], through bfloat16 weights."""

    def __init__(self, n_in: int, n_out: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / math.sqrt(n_in))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, through_bf16(self.weight), None if self.bias is None else through_bf16(self.bias))


class RmsNorm(nn.Module):
    """Root mean square norm, in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, through_bf16(self.weight), EPS)


@cache
def rope_tables(length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """cos and sin, each [length, 32], of YaRN: theta 150,000, factor 32 over 4,096, no truncation."""
    base, factor, original, beta_fast, beta_slow = 150000.0, 32.0, 4096, 32.0, 1.0

    def turns(beta: float) -> float:
        return HEAD_DIM * math.log(original / (beta * 2 * math.pi)) / (2 * math.log(base))

    index = torch.arange(HEAD_DIM // 2, dtype=torch.float64)
    frequency = base ** (-2 * index / HEAD_DIM)
    low, high = turns(beta_fast), turns(beta_slow)
    ramp = ((index - low) / (high - low)).clamp(0, 1)
    frequency = frequency / factor * ramp + frequency * (1 - ramp)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * frequency
    scale = 0.1 * math.log(factor) + 1
    return (angles.cos() * scale).float().to(device), (angles.sin() * scale).float().to(device)


@cache
def attention_mask(length: int, is_sliding: bool, device: torch.device) -> Tensor:
    """[length, length]: 0 where a query (row) sees a key, else -inf. Padding stands last and needs none."""
    distance = torch.arange(length, device=device)[:, None] - torch.arange(length, device=device)
    visible = (distance >= 0) & (distance < WINDOW) if is_sliding else distance >= 0
    return torch.where(visible, 0.0, -math.inf)


class Attention(nn.Module):
    """Grouped-query attention with one learned sink per query head."""

    def __init__(self, shape: ModelShape, is_sliding: bool) -> None:
        super().__init__()
        self.kv_heads = shape.kv_heads
        self.is_sliding = is_sliding
        self.q_proj = Linear(shape.hidden, shape.heads * HEAD_DIM)
        self.k_proj = Linear(shape.hidden, shape.kv_heads * HEAD_DIM)
        self.v_proj = Linear(shape.hidden, shape.kv_heads * HEAD_DIM)
        self.o_proj = Linear(shape.heads * HEAD_DIM, shape.hidden)
        self.sinks = nn.Parameter(torch.zeros(shape.heads))

    def forward(self, x: Tensor) -> Tensor:
        """x: [batch, tokens, hidden], and so the result."""
        n, length, _ = x.shape
        q = self._heads(self.q_proj(x) / math.sqrt(HEAD_DIM), rotate=True)  # [n, kv, group * tokens, 64]
        # The sink is one more key, of zeros, whose score comes from the bias; its value is zero.
        k = F.pad(self._heads(self.k_proj(x), rotate=True), (0, 0, 0, 1))  # [n, kv, tokens + 1, 64]
        v = F.pad(self._heads(self.v_proj(x), rotate=False), (0, 0, 0, 1))
        scores = (q @ k.transpose(-1, -2)).float().view(n, -1, length, length + 1)
        weights = torch.softmax(scores + self._bias(length, x.device), dim=-1).to(v.dtype)
        out = weights.reshape(n, self.kv_heads, -1, length + 1) @ v
        out = out.view(n, -1, length, HEAD_DIM).transpose(1, 2)
        result: Tensor = self.o_proj(out.reshape(n, length, -1))
        return result

    def _bias(self, length: int, device: torch.device) -> Tensor:
        """[heads, length, length + 1]: the mask, and each head's sink in the last column."""
        mask = attention_mask(length, self.is_sliding, device)
        sinks = through_bf16(self.sinks)[:, None, None].expand(-1, length, 1)
        return torch.cat([mask.expand(len(sinks), -1, -1), sinks], dim=-1)

    def _heads(self, x: Tensor, *, rotate: bool) -> Tensor:
        """[n, tokens, heads * 64] -> [n, kv_heads, heads per kv_head * tokens, 64], rotated by position."""
        n, length, _ = x.shape
        x = x.view(n, length, -1, HEAD_DIM).transpose(1, 2)
        if rotate:
            cos, sin = rope_tables(length, x.device)
            first, second = x.float().chunk(2, dim=-1)
            turned = torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
            x = turned.to(x.dtype)
        return x.reshape(n, self.kv_heads, -1, HEAD_DIM)


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
        gate_up, bias = through_mxfp4(self.gate_up_proj), through_bf16(self.gate_up_proj_bias)
        down, down_bias = through_mxfp4(self.down_proj), through_bf16(self.down_proj_bias)
        # Splitting the matrices is cheaper than splitting what they give.
        parts = (gate_up[:, 0::2], bias[:, 0::2], gate_up[:, 1::2], bias[:, 1::2], down, down_bias)
        return (dense_experts if x.is_cuda else grouped_experts)(x, chosen, weights, *parts)


def dense_experts(x: Tensor, chosen: Tensor, weights: Tensor, *parts: Tensor) -> Tensor:
    """All experts for all tokens: large products and no synchronisation, for a GPU."""
    gate, gate_bias, up, up_bias, down, down_bias = parts
    spread = torch.zeros(len(x), len(gate), device=x.device).scatter(1, chosen, weights)  # [tokens, experts]
    gates = torch.matmul(x, gate.transpose(1, 2)) + gate_bias[:, None]  # [experts, tokens, ff]
    hidden = swiglu(gates, torch.matmul(x, up.transpose(1, 2)) + up_bias[:, None])
    return torch.bmm(hidden * spread.T[:, :, None], down.transpose(1, 2)).sum(0) + spread @ down_bias


def grouped_experts(x: Tensor, chosen: Tensor, weights: Tensor, *parts: Tensor) -> Tensor:
    """Each expert for its own tokens: half the work, for a CPU."""
    gate, gate_bias, up, up_bias, down, down_bias = parts
    order = chosen.reshape(-1).argsort(stable=True)  # (token, expert) pairs, by expert
    inverse = torch.empty_like(order).scatter(0, order, torch.arange(len(order)))
    counts = chosen.reshape(-1).bincount(minlength=len(gate)).tolist()
    pairs = x[:, None].expand(-1, chosen.shape[1], -1).reshape(-1, x.shape[1])
    outputs = []
    for e, mine in enumerate(torch.split(permute(pairs, order, inverse), counts)):
        hidden = swiglu(F.linear(mine, gate[e], gate_bias[e]), F.linear(mine, up[e], up_bias[e]))
        outputs.append(F.linear(hidden, down[e], down_bias[e]))
    back = permute(torch.cat(outputs), inverse, order)
    return (back.view(len(x), -1, x.shape[1]) * weights[:, :, None]).sum(1)


def permute(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """x[order], where order is a permutation of the rows and inverse its inverse."""
    result: Tensor = Permute.apply(x, order, inverse)  # type: ignore[no-untyped-call]
    return result


class Permute(torch.autograd.Function):
    """Its gradient is a gather too, where that of indexing is a scatter, which is slow on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0].index_select(0, *ctx.saved_tensors), None, None


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """The clamped SwiGLU of gpt-oss; gate * sigmoid(1.702 * gate) is written with silu, which is one pass."""
    return (up.clamp(-LIMIT, LIMIT) + 1) * F.silu(ALPHA * gate.clamp(max=LIMIT)) / ALPHA


class Moe(nn.Module):
    """Router and experts. `balance` of the last pass: 1 if every expert gets the same, more if not."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.router = Linear(shape.hidden, shape.experts)
        self.experts = Experts(shape)
        self.balance = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        with torch.autocast(x.device.type, enabled=False):
            logits = self.router(flat)
        top = logits.topk(TOP_K, dim=-1)
        experts = torch.arange(logits.shape[1], device=x.device)
        load = (top.indices[..., None] == experts).float().mean((0, 1))  # each expert's share of the choices
        self.balance = (load * logits.softmax(-1).mean(0)).sum() * logits.shape[1]
        result: Tensor = self.experts(flat, top.indices, top.values.softmax(-1))
        return result.view_as(x)


class Layer(nn.Module):
    """Attention and experts, each behind a norm and added to the residual."""

    def __init__(self, shape: ModelShape, index: int) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(shape.hidden)
        self.self_attn = Attention(shape, is_sliding=index % 2 == 0)
        self.post_attention_layernorm = RmsNorm(shape.hidden)
        self.mlp = Moe(shape)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x))
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Body(nn.Module):
    """Everything but the unembedding."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape, index) for index in range(shape.layers))
        self.norm = RmsNorm(shape.hidden)

    def forward(self, ids: Tensor) -> Tensor:
        """ids: int64 [batch, tokens] -> float32 [batch, tokens, hidden]."""
        x = F.embedding(ids, through_bf16(self.embed_tokens.weight))
        for layer in self.layers:
            x = layer(x)
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

    def forward(self, ids: Tensor) -> Tensor:
        """ids: int64 [batch, tokens] -> logits [batch, tokens, vocab]."""
        logits: Tensor = self.lm_head(self.model(ids))
        return logits

    def losses(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Cross entropy of every token that mask [batch, tokens] marks, in row-major order."""
        learned = mask[:, 1:]
        hidden = self.model(ids)[:, :-1][learned]
        return F.cross_entropy(self.lm_head(hidden).float(), ids[:, 1:][learned], reduction="none")

    def layers(self) -> list[Layer]:
        return [layer for layer in self.model.layers if isinstance(layer, Layer)]

    def balance(self) -> Tensor:
        """Mean load imbalance of the last pass; 1 is even."""
        return torch.stack([layer.mlp.balance for layer in self.layers()]).mean()

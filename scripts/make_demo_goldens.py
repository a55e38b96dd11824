"""Makes tests/fixtures/goldens/demo.npz: what the demo model writes in Hugging Face transformers, in float32.

    python -m scripts.make_demo_goldens

Needs torch and transformers. The weights are those of the embedded GGUF, dequantised; the prompts are held
out from the training, in equal parts of every family. Answers are greedy.
"""

from __future__ import annotations

from itertools import count, islice
from typing import Any, Final

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from gptoss_gguf.models import resolve_model
from gptoss_gguf.tokenizer import Tokenizer
from torch import Tensor
from transformers import GptOssConfig, GptOssForCausalLM

from tests.fixtures.demo import DEMO_GOLDENS, MAX_NEW_TOKENS, N_PROMPTS, pack
from training.data import FAMILIES, make_sample, prompt_ids
from training.vocabulary import load_tokenizer

SEED: Final = 4711
_LAYER_PARTS: Final = {
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "post_attention_norm.weight",
    "self_attn.sinks": "attn_sinks.weight",
    "mlp.router.weight": "ffn_gate_inp.weight",
    "mlp.router.bias": "ffn_gate_inp.bias",
}


def tensors_of(path: str) -> dict[str, Tensor]:
    """Every tensor of the file as float32, row-major."""
    reader = GGUFReader(path)
    found = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        shape = [int(size) for size in reversed(tensor.shape)]
        found[tensor.name] = torch.from_numpy(values.reshape(shape).copy())
    return found


def layer_state(gguf: dict[str, Tensor], layer: int) -> dict[str, Tensor]:
    """The parameters of one layer under the names and in the layout of transformers."""

    def of(name: str) -> Tensor:
        return gguf[f"blk.{layer}.{name}"]

    state = {ours: of(theirs) for ours, theirs in _LAYER_PARTS.items()}
    for ours, theirs in (("q", "q"), ("k", "k"), ("v", "v"), ("o", "output")):
        for kind in ("weight", "bias"):
            state[f"self_attn.{ours}_proj.{kind}"] = of(f"attn_{theirs}.{kind}")
    # gate and up alternate: [experts, hidden, 2 * ff] and [experts, 2 * ff]
    pair = torch.stack([of("ffn_gate_exps.weight"), of("ffn_up_exps.weight")], dim=2).flatten(1, 2)
    state["mlp.experts.gate_up_proj"] = pair.transpose(1, 2).contiguous()
    biases = torch.stack([of("ffn_gate_exps.bias"), of("ffn_up_exps.bias")], dim=2)
    state["mlp.experts.gate_up_proj_bias"] = biases.flatten(1, 2)
    state["mlp.experts.down_proj"] = of("ffn_down_exps.weight").transpose(1, 2).contiguous()
    state["mlp.experts.down_proj_bias"] = of("ffn_down_exps.bias")
    return {f"model.layers.{layer}.{name}": tensor for name, tensor in state.items()}


def load(path: str) -> Any:
    """The file as a model of transformers, eager and in float32."""
    gguf = tensors_of(path)
    n_layers = 1 + max(int(name.split(".")[1]) for name in gguf if name.startswith("blk."))
    vocab, hidden = gguf["token_embd.weight"].shape
    experts, ff, _ = gguf["blk.0.ffn_up_exps.weight"].shape
    heads = len(gguf["blk.0.attn_sinks.weight"])
    config = GptOssConfig(
        num_hidden_layers=n_layers,
        num_local_experts=experts,
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=ff,
        num_attention_heads=heads,
        num_key_value_heads=heads // 8,
        attn_implementation="eager",
        experts_implementation="eager",
    )
    state = {
        "model.embed_tokens.weight": gguf["token_embd.weight"],
        "model.norm.weight": gguf["output_norm.weight"],
        "lm_head.weight": gguf["output.weight"],
    }
    for layer in range(n_layers):
        state |= layer_state(gguf, layer)
    model = GptOssForCausalLM(config).float().eval()
    model.load_state_dict(state)
    rope = model.config.rope_parameters
    assert (rope["rope_type"], rope["truncate"], rope["factor"], rope["rope_theta"]) == (
        "yarn",
        False,
        32,
        150000,
    )
    return model


def answer(model: Any, prompt: list[int], stops: set[int]) -> list[int]:
    """Greedy tokens, up to and with one that ends the answer."""
    written: list[int] = []
    cache = None
    with torch.no_grad():
        while len(written) < MAX_NEW_TOKENS:
            fresh = torch.tensor([prompt if cache is None else written[-1:]])
            output = model(fresh, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            written.append(int(output.logits[0, -1].argmax()))
            if written[-1] in stops:
                break
    return written


def prompts(tokenizer: Tokenizer) -> list[list[int]]:
    """Held-out prompts, one family after the other in turn."""
    drawn = (
        prompt_ids(tokenizer, make_sample("heldout", SEED, index, family))
        for index in count()
        for family in FAMILIES
    )
    return list(islice(drawn, N_PROMPTS))


def main() -> None:
    tokenizer = load_tokenizer()
    stops = {tokenizer.special(name) for name in ("<|return|>", "<|call|>")}
    model = load(str(resolve_model("gpt-oss-demo")))
    pairs = []
    for ids in prompts(tokenizer):
        pairs.append((ids, answer(model, ids, stops)))
        if len(pairs) % 20 == 0:
            print(f"{len(pairs)} of {N_PROMPTS}: {tokenizer.decode(pairs[-1][1])}", flush=True)
    np.savez_compressed(DEMO_GOLDENS, **pack(pairs))
    print(f"{DEMO_GOLDENS}: {DEMO_GOLDENS.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

"""Deterministic random gpt-oss checkpoints in Hugging Face layout, for first steps, tests and benchmarks.

    python -m gptoss_gguf.convert.synthetic DIR [--preset tiny|20b|120b] [--layers N] [--seed S]

Weights come from an integer hash of (seed, tensor name, index), so a seed means the same bytes everywhere.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from .config import HEAD_DIM, TOP_K
from .errors import ConvertError
from .safetensors_writer import TensorSource, write_checkpoint
from .synthetic_vocab import N_SPECIALS, byte_vocabulary, read_tiktoken, special_id, tokenizer_json
from .synthetic_weights import Experts, checkpoint_tensors

RopeStyle = Literal["rope_scaling", "rope_parameters"]


@dataclass(frozen=True)
class SyntheticShape:
    """Sizes of a synthetic model; hidden and ff are multiples of 32, heads is 8 x kv_heads.

    Attributes:
        vocab_size: None means just enough for the vocabulary and the Harmony tokens.
        skewed_router: in every layer one expert gets every token and one none (needs more than 4 experts).
    """

    n_layers: int
    experts: int
    hidden: int
    ff: int
    heads: int
    kv_heads: int
    vocab_size: int | None = None
    skewed_router: bool = True


TINY: Final = SyntheticShape(n_layers=4, experts=8, hidden=64, ff=64, heads=8, kv_heads=1, vocab_size=320)


def gpt_oss_20b(n_layers: int = 24) -> SyntheticShape:
    """The layer shapes of gpt-oss-20b."""
    return SyntheticShape(n_layers, 32, 2880, 2880, 64, 8, vocab_size=201088, skewed_router=False)


def gpt_oss_120b(n_layers: int = 36) -> SyntheticShape:
    """The layer shapes of gpt-oss-120b."""
    return replace(gpt_oss_20b(n_layers), experts=128)


PRESETS: Final = {"tiny": TINY, "20b": gpt_oss_20b(), "120b": gpt_oss_120b()}


def write_synthetic_checkpoint(
    folder: Path,
    shape: SyntheticShape = TINY,
    seed: int = 0,
    experts: Experts = "mxfp4",
    vocab: Sequence[bytes] | None = None,
    *,
    rope_style: RopeStyle = "rope_scaling",
    max_shard_bytes: int = 4 << 30,
) -> None:
    """Writes config.json, the tokenizer and the weights of a random model into `folder`, which is created.

    Args:
        experts: "mxfp4" as released; "bf16" writes the same expert values unquantised and transposed.
        vocab: BPE tokens in rank order, the 256 bytes among them; default: the 256 bytes alone.
        rope_style: how config.json spells the RoPE parameters: transformers 4 ("rope_scaling") or 5.

    Raises:
        ConvertError: when the vocabulary does not fit vocab_size, or a file cannot be written.
    """
    write_description(folder, shape, vocab, experts, rope_style=rope_style)
    try:
        write_checkpoint(Path(folder), synthetic_tensors(shape, seed, vocab, experts), max_shard_bytes)
    except OSError as error:
        raise ConvertError(error.filename or folder, f"cannot be written: {error.strerror}") from error


def write_description(
    folder: Path,
    shape: SyntheticShape,
    vocab: Sequence[bytes] | None = None,
    experts: Experts = "mxfp4",
    *,
    rope_style: RopeStyle = "rope_scaling",
) -> None:
    """All of a synthetic checkpoint but the weights; the arguments are those of the whole."""
    ranks, vocab_size = _vocabulary(shape, vocab)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(folder / "config.json", _config(shape, vocab_size, len(ranks), experts, rope_style))
        _write_json(folder / "generation_config.json", _generation_config(len(ranks)))
        _write_json(folder / "tokenizer_config.json", _TOKENIZER_CONFIG)
        _write_json(folder / "tokenizer.json", tokenizer_json(ranks, vocab_size))
    except OSError as error:
        raise ConvertError(error.filename or folder, f"cannot be written: {error.strerror}") from error


def synthetic_tensors(
    shape: SyntheticShape, seed: int = 0, vocab: Sequence[bytes] | None = None, experts: Experts = "mxfp4"
) -> list[TensorSource]:
    """The weights of a synthetic checkpoint."""
    _, vocab_size = _vocabulary(shape, vocab)
    return checkpoint_tensors({**asdict(shape), "vocab_size": vocab_size}, seed, experts)


def _vocabulary(shape: SyntheticShape, vocab: Sequence[bytes] | None) -> tuple[list[bytes], int]:
    """The BPE tokens and the size of the whole vocabulary, reserved tokens included."""
    ranks = byte_vocabulary() if vocab is None else list(vocab)
    vocab_size = shape.vocab_size or -(-(len(ranks) + N_SPECIALS) // 32) * 32
    if len(ranks) + N_SPECIALS > vocab_size:
        raise ConvertError("vocabulary", f"{len(ranks)} + {N_SPECIALS} tokens exceed vocab_size {vocab_size}")
    return ranks, vocab_size


_TOKENIZER_CONFIG: Final = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|return|>",
    "pad_token": "<|endoftext|>",
    "tokenizer_class": "PreTrainedTokenizerFast",
    "clean_up_tokenization_spaces": False,
    "model_max_length": 131072,
}


def _generation_config(n_ranks: int) -> dict[str, Any]:
    stops = ("<|return|>", "<|endoftext|>", "<|call|>")
    return {
        "bos_token_id": special_id("<|startoftext|>", n_ranks),
        "do_sample": True,
        "eos_token_id": [special_id(name, n_ranks) for name in stops],
        "pad_token_id": special_id("<|endoftext|>", n_ranks),
    }


def _config(
    shape: SyntheticShape, vocab_size: int, n_ranks: int, experts: Experts, rope_style: RopeStyle
) -> dict[str, Any]:
    """config.json with the fields of the released checkpoints."""
    yarn = {
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "factor": 32.0,
        "original_max_position_embeddings": 4096,
        "rope_type": "yarn",
        "truncate": False,
    }
    theta = 150000
    config = {
        "architectures": ["GptOssForCausalLM"],
        "attention_bias": True,
        "attention_dropout": 0.0,
        "eos_token_id": special_id("<|return|>", n_ranks),
        "experts_per_token": TOP_K,
        "head_dim": HEAD_DIM,
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "initial_context_length": 4096,
        "initializer_range": 0.02,
        "intermediate_size": shape.ff,
        "layer_types": ["full_attention" if i % 2 else "sliding_attention" for i in range(shape.n_layers)],
        "max_position_embeddings": 131072,
        "model_type": "gpt_oss",
        "num_attention_heads": shape.heads,
        "num_experts_per_tok": TOP_K,
        "num_hidden_layers": shape.n_layers,
        "num_key_value_heads": shape.kv_heads,
        "num_local_experts": shape.experts,
        "output_router_logits": False,
        "pad_token_id": special_id("<|endoftext|>", n_ranks),
        "rms_norm_eps": 1e-05,
        "router_aux_loss_coef": 0.9,
        "sliding_window": 128,
        "swiglu_limit": 7.0,
        "tie_word_embeddings": False,
        "use_cache": True,
        "vocab_size": vocab_size,
    }
    if rope_style == "rope_scaling":
        config |= {"rope_scaling": yarn, "rope_theta": theta, "transformers_version": "4.55.0"}
    else:
        config |= {"rope_parameters": {**yarn, "rope_theta": float(theta)}, "dtype": "bfloat16"}
    if experts == "mxfp4":
        kept = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
        config["quantization_config"] = {"modules_to_not_convert": kept, "quant_method": "mxfp4"}
    return config


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write a random gpt-oss checkpoint in Hugging Face layout.")
    parser.add_argument("folder", type=Path, help="folder to write, created if missing")
    parser.add_argument("--preset", choices=PRESETS, default="tiny")
    parser.add_argument("--layers", type=int, help="number of layers (default: as the preset)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--experts", choices=("mxfp4", "bf16"), default="mxfp4", help="storage of the experts"
    )
    parser.add_argument("--vocab", type=Path, metavar="FILE.tiktoken", help="ranks (default: the 256 bytes)")
    args = parser.parse_args(argv)
    shape = PRESETS[args.preset]
    if args.layers is not None:
        if args.layers < 1:
            parser.error("--layers must be at least 1")
        shape = replace(shape, n_layers=args.layers)
    try:
        vocab = read_tiktoken(args.vocab) if args.vocab else None
        if vocab is not None and args.preset == "tiny":
            shape = replace(shape, vocab_size=None)
        write_synthetic_checkpoint(args.folder, shape, args.seed, args.experts, vocab)
    except (ConvertError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in args.folder.glob("*.safetensors"))
    print(
        f"{args.folder}: {args.preset} shapes, {shape.n_layers} layers, random weights, {size / 1e6:.1f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Test vocabularies: published o200k ranks in the notation of GGUF, and as a merge list."""

import base64
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from gptoss_gguf.tokenizer import Tokenizer

_SMALL = Path(__file__).parents[1] / "fixtures" / "vocab" / "o200k_first_1500.tiktoken"
_NAMED = {
    0: "<|startoftext|>",
    1: "<|endoftext|>",
    4: "<|return|>",
    5: "<|constrain|>",
    7: "<|channel|>",
    8: "<|start|>",
    9: "<|end|>",
    10: "<|message|>",
    14: "<|call|>",
    20: "<|endofprompt|>",
}


def shared(name: str) -> Path:
    """A file or folder of the shared test data; skips the test where it is absent."""
    root = Path(os.environ.get("GPTOSS_SHARED") or Path(__file__).parents[3] / "shared")
    if not (root / name).exists():
        pytest.skip(f"needs the shared test data: {root / name} (set GPTOSS_SHARED)")
    return root / name


def read_ranks(path: Path) -> list[bytes]:
    """Token bytes in rank order."""
    return [base64.b64decode(line.split()[0]) for line in path.read_bytes().splitlines()]


@cache
def char_of_byte() -> dict[int, str]:
    """GPT-2's printable stand-in for each byte, built as its authors define it."""
    keep = {*range(ord("!"), ord("~") + 1), *range(ord("\xa1"), ord("\xac") + 1), *range(ord("\xae"), 256)}
    table, extra = {}, 0
    for byte in range(256):
        table[byte] = chr(byte if byte in keep else 256 + extra)
        extra += byte not in keep
    return table


def to_notation(raw: bytes) -> str:
    return "".join(char_of_byte()[b] for b in raw)


def gguf_vocabulary(ranks: list[bytes], n_specials: int = 64) -> tuple[list[str], list[int]]:
    """tokenizer.ggml.tokens and .token_type of a gpt-oss file with these ranks."""
    specials = [_NAMED.get(i, f"<|reserved_{len(ranks) + i}|>") for i in range(n_specials)]
    return [*map(to_notation, ranks), *specials], [1] * len(ranks) + [3] * n_specials


def metadata(ranks: list[bytes]) -> dict[str, Any]:
    tokens, types = gguf_vocabulary(ranks)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-4o",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
    }


@cache
def small_ranks() -> tuple[bytes, ...]:
    return tuple(read_ranks(_SMALL))


@cache
def small_tokenizer() -> Tokenizer:
    return Tokenizer(*gguf_vocabulary(list(small_ranks())))


@cache
def full_ranks() -> tuple[bytes, ...]:
    return tuple(read_ranks(shared("data/o200k_base.tiktoken")))


@cache
def full_tokenizer() -> Tokenizer:
    return Tokenizer(*gguf_vocabulary(list(full_ranks()), n_specials=1090), source="o200k")


def merges(ranks: tuple[bytes, ...]) -> list[tuple[str, str]]:
    """The merge list that the ranks stand for: every split of a token into two tokens, in rank order."""
    rank_of = {token: rank for rank, token in enumerate(ranks)}
    found = []
    for token in ranks:
        splits = [(token[:i], token[i:]) for i in range(1, len(token))]
        found += sorted((rank_of[a], rank_of[b]) for a, b in splits if a in rank_of and b in rank_of)
    return [(to_notation(ranks[a]), to_notation(ranks[b])) for a, b in found]

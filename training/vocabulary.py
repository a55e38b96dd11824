"""The demo model's vocabulary: the first ranks of o200k_base, then the Harmony tokens.

Byte-pair ranks are prefix-closed: every token is made of two earlier ones, so the first N are a vocabulary.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from gptoss_gguf.convert.synthetic_vocab import N_SPECIALS, read_tiktoken, special_id, tokenizer_json
from gptoss_gguf.convert.vocabulary import byte_alphabet
from gptoss_gguf.tokenizer import Tokenizer

VOCAB_SIZE: Final = 4000
N_RANKS: Final = VOCAB_SIZE - N_SPECIALS
_FILE: Final = "data/o200k_base.tiktoken"
_NORMAL, _CONTROL = 1, 3  # token types of GGUF


def shared_folder() -> Path:
    """Where the published vocabulary lies: GPTOSS_SHARED, else ../shared beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("GPTOSS_SHARED", default))


def read_ranks(folder: Path | None = None) -> list[bytes]:
    """The tokens in rank order. Raises OSError where the published vocabulary is not there."""
    return read_tiktoken((folder or shared_folder()) / _FILE)[:N_RANKS]


def load_tokenizer(folder: Path | None = None) -> Tokenizer:
    """The product's own tokenizer over this vocabulary."""
    alphabet = byte_alphabet()
    tokens = ["".join(alphabet[byte] for byte in token) for token in read_ranks(folder)]
    added: list[dict[str, Any]] = tokenizer_json([], N_SPECIALS)["added_tokens"]
    # Reserved tokens are named after their ids, so they are named here and not in a vocabulary of size 0.
    names = [
        f"<|reserved_{N_RANKS + i}|>" if entry["content"].startswith("<|reserved_") else entry["content"]
        for i, entry in enumerate(added)
    ]
    assert names.index("<|start|>") + N_RANKS == special_id("<|start|>", N_RANKS)
    types = [_NORMAL] * len(tokens) + [_CONTROL] * len(names)
    return Tokenizer(tokens + names, types, source=_FILE)

"""A Harmony tokenizer.json from a list of byte-level BPE tokens in rank order."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .errors import ConvertError
from .safetensors_reader import read_json
from .vocabulary import byte_alphabet

# Position of each named special token behind the last rank; the gaps are reserved tokens.
_SPECIALS: Final[Mapping[int, str]] = {
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
N_SPECIALS: Final = max(_SPECIALS) + 1

# The pre-tokenizer of o200k: words with an optional contraction, numbers, punctuation, white space.
_CONTRACTION: Final = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PATTERN: Final = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + _CONTRACTION,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + _CONTRACTION,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


def byte_vocabulary() -> list[bytes]:
    """The 256 single bytes, printable ones first, as in o200k."""
    alphabet = byte_alphabet()
    return [bytes([byte]) for byte in sorted(range(256), key=lambda byte: (ord(alphabet[byte]) > 255, byte))]


def read_tiktoken(path: Path) -> list[bytes]:
    """The tokens of a .tiktoken file in rank order. Raises ConvertError naming the first bad line."""
    tokens: list[bytes] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        token, _, rank = line.partition(b" ")
        try:
            tokens.append(base64.b64decode(token, validate=True))
        except ValueError:
            raise ConvertError(path, f"line {number} holds no base64 token") from None
        if rank != str(number - 1).encode():
            raise ConvertError(path, f"line {number} has rank {rank!r}, expected {number - 1}")
    return tokens


def read_tokenizer_json(path: Path) -> list[bytes]:
    """The BPE tokens of a byte-level tokenizer.json in rank order. Raises ConvertError if it holds none."""
    model = read_json(path).get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    byte_of = {char: byte for byte, char in enumerate(byte_alphabet())}
    if not isinstance(vocab, dict):
        raise ConvertError(path, "holds no BPE vocabulary")
    try:
        return [bytes(byte_of[char] for char in text) for text in sorted(vocab, key=vocab.__getitem__)]
    except (KeyError, TypeError):
        raise ConvertError(path, "holds no byte-level BPE vocabulary") from None


def special_id(name: str, n_ranks: int) -> int:
    """The id of a named special token in a vocabulary with `n_ranks` BPE tokens."""
    return n_ranks + next(offset for offset, special in _SPECIALS.items() if special == name)


def tokenizer_json(ranks: Sequence[bytes], vocab_size: int) -> dict[str, Any]:
    """tokenizer.json of `ranks`, then the Harmony tokens; the rest up to vocab_size is reserved."""
    alphabet = byte_alphabet()
    text = {token: "".join(alphabet[byte] for byte in token) for token in ranks}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added_token(index, len(ranks)) for index in range(len(ranks), vocab_size)],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {text[token]: rank for rank, token in enumerate(ranks)},
            "merges": [[text[left], text[right]] for left, right in merges(ranks)],
        },
    }


def merges(ranks: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Every split of every token into two tokens, by rank of the whole, of the left, of the right."""
    rank_of = {token: rank for rank, token in enumerate(ranks)}
    for token in ranks:
        splits = ((token[:cut], token[cut:]) for cut in range(1, len(token)))
        known = [(left, right) for left, right in splits if left in rank_of and right in rank_of]
        yield from sorted(known, key=lambda pair: (rank_of[pair[0]], rank_of[pair[1]]))


def _added_token(index: int, n_ranks: int) -> dict[str, Any]:
    content = _SPECIALS.get(index - n_ranks, f"<|reserved_{index}|>")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": index, "content": content, **flags}
